/**
 * Publishing an event in the caller's transaction: the event exists if and only if the transaction commits.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Identifier from "./Identifier.ts"
import type { Tenant } from "./Tenant.ts"

/**
 * The CloudEvents 1.0 attributes that a publisher gives. `id` is unique for each `source`; publishing the same again is
 * a duplicate and changes nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string
  readonly time: Date
  readonly data: Schema.Json
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Publisher {
  readonly publish: (events: ReadonlyArray<Event>) => Effect.Effect<void, SqlError, Tenant>
}

let isDiscardLogged = false

/** Logs once per process that nothing is published. */
const discard: Publisher["publish"] = () =>
  Effect.suspend(() => {
    if (isDiscardLogged) return Effect.void
    isDiscardLogged = true
    return Effect.logInfo("Events are discarded: no @hypermarket/events layer is provided")
  })

/**
 * Publishes our own events. `@hypermarket/events` fills it. Without it, a domain runs alone: events are discarded, and
 * the log names that once.
 *
 * @category services
 * @since 0.1.0
 */
export const Outbox = Context.Reference<Publisher>("@hypermarket/core/Outbox", {
  defaultValue: () => ({ publish: discard })
})

/**
 * The source of our own events.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sourceOf = (domain: string): string => `/hypermarket/${domain}`

/**
 * One of our own events: type `com.hypermarket.<domain>.<noun>.<past>.v1`, subject the thing's id.
 *
 * @category constructors
 * @since 0.1.0
 */
export const event = (options: {
  readonly domain: string
  readonly name: `${string}.${string}`
  readonly subject: string
  readonly time: Date
  readonly data: Schema.Json
}): Effect.Effect<Event> =>
  Effect.map(Identifier.next, (id) => ({
    id,
    source: sourceOf(options.domain),
    type: `com.hypermarket.${options.domain}.${options.name}.v1`,
    subject: options.subject,
    time: options.time,
    data: options.data
  }))
