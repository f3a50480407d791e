/**
 * A package's interest in events: handlers get them in batches, at least once, and must bear repetition.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Event } from "./Outbox.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Subscription<out R> {
  /** `<domain>.<noun>`, stable for ever: positions are kept by it. */
  readonly name: string
  /** Exact event types. */
  readonly types: ReadonlyArray<string>
  /** The most events one call of the handler gets. */
  readonly batchMax: number
  readonly handler: (events: ReadonlyArray<Event>) => Effect.Effect<void, unknown, R>
}

const batchMaxDefault = 500

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly types: ReadonlyArray<string>
  readonly batchMax?: number
  readonly handler: Subscription<R>["handler"]
}): Subscription<R> => ({
  name: options.name,
  types: options.types,
  batchMax: options.batchMax ?? batchMaxDefault,
  handler: options.handler
})
