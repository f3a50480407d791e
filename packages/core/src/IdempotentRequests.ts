/**
 * Makes the handlers of creating POST endpoints idempotent by their `Idempotency-Key`, and keeps their answers for 24
 * hours.
 *
 * Key, effect and answer commit in one transaction, so an answer is kept if and only if its effect happened.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { IdempotencyKeyReused, RequestInProgress } from "./IdempotencyKey.ts"
import { now } from "./Now.ts"
import { system, Tenant } from "./Tenant.ts"
import { transactionOf } from "./Transaction.ts"

/** How long an answer is kept, in milliseconds: a day covers the retries of every client we know. */
const keptMillis = 24 * 60 * 60 * 1000

interface Stored {
  readonly operation: string
  readonly bodyHash: string
  readonly answer: unknown
}

const hashOf = (text: string): Effect.Effect<string> =>
  Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).pipe(
    Effect.map((digest) =>
      Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
    )
  )

/**
 * Makes an endpoint's effect idempotent. `owner` is the tenant, or `_system` for endpoints over all tenants. `stored`
 * is the answer as it is kept and given again; leave secrets out of it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const make = <A, I extends Schema.Json>(options: {
  /** Names the endpoint: one key may not be used for two. */
  readonly operation: string
  readonly answer: Schema.Codec<A, I>
  readonly stored?: (answer: A) => A
}) => {
  const encode = Schema.encodeEffect(Schema.fromJsonString(options.answer))
  const decode = Schema.decodeUnknownEffect(options.answer)

  return Effect.fnUntraced(function* <E, R>(
    request: {
      readonly owner: string
      readonly headers: { readonly "idempotency-key"?: string }
      readonly body: Schema.Json
    },
    effect: Effect.Effect<A, E, R>
  ): Effect.fn.Return<
    A,
    E | IdempotencyKeyReused | RequestInProgress | SqlError,
    R | SqlClient.SqlClient | HttpServerRequest
  > {
    const key = request.headers["idempotency-key"]
    if (key === undefined) return yield* effect
    const sql = yield* SqlClient.SqlClient
    const bodyHash = yield* hashOf(JSON.stringify(request.body))
    const moment = yield* now
    const once = Effect.gen(function* () {
      // Held until the transaction ends. Tried, not waited for: the second of two requests is told at once.
      const [lock] = yield* sql<{ readonly held: boolean }>`
        SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', current_schema(), ${request.owner}::text, ${key}::text), 0)) AS held
      `
      if (lock?.held !== true) {
        yield* HttpEffect.appendPreResponseHandler((_, response) =>
          Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", "1"))
        )
        return yield* new RequestInProgress()
      }
      const [found] = yield* sql<Stored>`
        SELECT operation, body_hash AS "bodyHash", answer
          FROM hm_idempotency_key
         WHERE tenant_id = ${request.owner} AND idempotency_key = ${key} AND expires_at > ${moment}
      `
      if (found !== undefined) {
        if (found.operation !== options.operation || found.bodyHash !== bodyHash) {
          return yield* new IdempotencyKeyReused()
        }
        return yield* Effect.orDie(decode(found.answer))
      }
      const answer = yield* effect
      const kept = yield* Effect.orDie(encode(options.stored === undefined ? answer : options.stored(answer)))
      yield* sql`
        INSERT INTO hm_idempotency_key AS k (tenant_id, idempotency_key, operation, body_hash, answer, recorded_at, expires_at)
        VALUES (${request.owner}, ${key}, ${options.operation}, ${bodyHash}, ${kept}::text::json, ${moment},
                ${new Date(moment.getTime() + keptMillis)})
            ON CONFLICT (tenant_id, idempotency_key)
            DO UPDATE SET operation = excluded.operation, body_hash = excluded.body_hash, answer = excluded.answer,
                          recorded_at = excluded.recorded_at, expires_at = excluded.expires_at
      `
      return answer
    })
    return yield* transactionOf(sql)(once)
  })
}

/**
 * Makes the handler of a creating POST idempotent: {@link make} over the payload's schema, for the caller's tenant or,
 * in a system group, for the installation. `scope` holds what else identifies the request, such as path parameters.
 *
 * @category combinators
 * @since 0.1.0
 */
export const create = <A, I extends Schema.Json, P, PI extends Schema.Json>(options: {
  readonly operation: string
  readonly payload: Schema.Codec<P, PI>
  readonly answer: Schema.Codec<A, I>
  readonly stored?: (answer: A) => A
}) => {
  const once = make(options)
  const encode = Schema.encodeEffect(options.payload)
  return Effect.map(SqlClient.SqlClient, (sql) =>
    Effect.fnUntraced(function* <E, R>(
      request: {
        readonly headers: { readonly "idempotency-key"?: string }
        readonly payload: P
        readonly scope?: { readonly [name: string]: Schema.Json }
      },
      effect: Effect.Effect<A, E, R>
    ) {
      const tenant = yield* Effect.serviceOption(Tenant)
      const owner = Option.match(tenant, { onNone: () => system, onSome: ({ id }): string => id })
      const payload = yield* Effect.orDie(encode(request.payload))
      const body = request.scope === undefined ? payload : { ...request.scope, payload }
      return yield* once({ owner, headers: request.headers, body }, effect).pipe(
        Effect.provideService(SqlClient.SqlClient, sql)
      )
    })
  )
}

/** Few enough rows that the delete holds its locks for milliseconds. */
const pruneBatchMax = 5_000

/**
 * Removes answers past their 24 hours, batch by batch.
 *
 * @category jobs
 * @since 0.1.0
 */
export const prune: Effect.Effect<void, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const moment = yield* now
  const pruneBatch = sql<{ readonly pruned: number }>`
    WITH pruned AS (
      DELETE FROM hm_idempotency_key
       WHERE ctid = ANY (ARRAY (
               SELECT ctid
                 FROM hm_idempotency_key
                WHERE expires_at <= ${moment}
                LIMIT ${pruneBatchMax}
                  FOR UPDATE SKIP LOCKED))
      RETURNING 1)
    SELECT count(*)::int AS pruned
      FROM pruned
  `
  yield* pruneBatch.pipe(Effect.repeat({ until: (rows) => (rows[0]?.pruned ?? 0) < pruneBatchMax }))
})
