/** Methods of the door whose types a test reads as an editor shows them. */
import type { TenantServices } from "@hypermarket/core/Promises"
import type { domains } from "./door.ts"

declare const acme: TenantServices<typeof domains>

export const { publish } = acme.events
export const { ensure } = acme.subscriptions
export const { dead } = acme.queues
export const { search } = acme.search
export const { place } = acme.orders
export const { run } = acme.sales
