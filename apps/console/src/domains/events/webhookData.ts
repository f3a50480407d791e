/** Webhook endpoints and their deliveries. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Webhook = Success<"GET /v1/events/webhooks">["items"][number]
export type Delivery = Success<"GET /v1/events/webhooks/:endpointId/deliveries">["items"][number]

export const webhookPlace = (endpointId: string) => ({ to: `/webhooks/${encodeURIComponent(endpointId)}` })

const disabledReasons = {
  failing: "Disabled: no delivery succeeded for five days",
  gone: "Disabled: the receiver answered 410"
}

export const stateOfWebhook = ({
  disabledReason,
  failingSince,
  status
}: Webhook): { readonly tone: Tone; readonly label: string } => {
  if (disabledReason !== null) return { tone: "bad", label: disabledReasons[disabledReason] }
  if (status === "disabled") return { tone: "bad", label: "Disabled" }
  if (status === "paused") return { tone: "warn", label: "Paused" }
  if (failingSince !== null) return { tone: "warn", label: "Fails" }
  return { tone: "good", label: "Delivers" }
}

export const deliveryTones: Readonly<Record<Delivery["state"], Tone>> = {
  waiting: "plain",
  sending: "accent",
  delivered: "good",
  dead: "bad"
}
