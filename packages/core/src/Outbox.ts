/**
 * Publishing an event in the caller's transaction: the event exists if and only if the transaction commits.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlClient from "effect/sql/SqlClient"
import * as Identifier from "./Identifier.ts"
import { Tenant } from "./Tenant.ts"

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
 * @category services
 * @since 0.1.0
 */
export class Outbox extends Context.Service<
  Outbox,
  {
    readonly publish: (events: ReadonlyArray<Event>) => Effect.Effect<void, SqlError, Tenant>
  }
>()("@hypermarket/core/Outbox") {}

/**
 * For a domain that runs alone, without `@hypermarket/events`: events go nowhere. Says so once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDiscard: Layer.Layer<Outbox> = Layer.effect(
  Outbox,
  Effect.gen(function* () {
    const say = yield* Effect.cached(
      Effect.logInfo("Events are discarded: no @hypermarket/events layer is provided")
    )
    return { publish: () => say }
  })
)

/**
 * For tests: writes each event to a table `hm_test_outbox`, which it creates, in the publisher's transaction.
 *
 * @category testing
 * @since 0.1.0
 */
export const layerRecord: Layer.Layer<Outbox, SqlError, SqlClient.SqlClient> = Layer.effect(
  Outbox,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      CREATE TABLE IF NOT EXISTS hm_test_outbox (
        tenant_id text  NOT NULL,
        seq       bigint GENERATED ALWAYS AS IDENTITY,
        event     jsonb NOT NULL,
        PRIMARY KEY (tenant_id, seq)
      )
    `
    return {
      publish: Effect.fn("Outbox.publish")(function* (events: ReadonlyArray<Event>) {
        const tenant = yield* Tenant
        yield* sql`
          INSERT INTO hm_test_outbox (tenant_id, event)
          SELECT ${tenant.id}, e
            FROM jsonb_array_elements(${JSON.stringify(events)}::jsonb) e
        `
      })
    }
  })
)

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
