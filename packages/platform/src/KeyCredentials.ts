/**
 * Core's `Credentials` over `hm_api_key`.
 *
 * Keys are remembered for {@link rememberedMillis}; a key in use is read again in the background before that, so that
 * authentication of busy keys costs no query and a revocation takes effect within 5 seconds in every process. What is
 * remembered outlives a short absence of the database by no more than that time.
 *
 * @since 0.1.0
 */
import { type Credential, Credentials, type Kind } from "@hypermarket/core/Credentials"
import { now } from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import type { TenantId } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { createHash, timingSafeEqual } from "node:crypto"
import * as KeyText from "./internal/keyText.ts"

/**
 * How long a key is trusted without asking the database, in milliseconds. With the second that a read may take it stays
 * below the promised 5 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const rememberedMillis = 3_000

/** A key in use is read again from this age on, in the background. */
const refreshMillis = 1_500
const readDeadline = "2 seconds"
/** Unknown ids are remembered too, so that guessing cannot flood the database; the oldest are forgotten first. */
const rememberedMax = 20_000
const usesWriteInterval = "30 seconds"

interface KeyRow {
  readonly apiKeyId: string
  readonly tenantId: string | null
  readonly kind: Kind
  readonly scopes: ReadonlyArray<string>
  readonly secretHash: Uint8Array
  readonly expiresAt: Date | null
  readonly isRevoked: boolean
  readonly isTenantActive: boolean
}

interface Remembered {
  readonly readAtMillis: number
  readonly expiresAtMillis: number
  readonly secretHash: Uint8Array
  /** None for an unknown or revoked key. */
  readonly credential: Option.Option<Credential>
}

const readTimedOut = new SqlError({
  reason: new ConnectionError({
    cause: undefined,
    message: "Reading a key took too long",
    operation: "query"
  })
})

const noHash = new Uint8Array(32)

const toRemembered = (row: KeyRow | undefined, readAtMillis: number): Remembered => ({
  readAtMillis,
  expiresAtMillis: row?.expiresAt?.getTime() ?? Infinity,
  secretHash: row?.secretHash ?? noHash,
  credential:
    row === undefined || row.isRevoked
      ? Option.none()
      : Option.some({
          keyId: row.apiKeyId,
          kind: row.kind,
          // The table's CHECK holds the form.
          tenantId: Option.fromNullOr(row.tenantId as TenantId | null),
          isTenantActive: row.isTenantActive,
          scopes: new Set(row.scopes)
        })
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Credentials, never, SqlClient.SqlClient> = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const clock = yield* Clock.Clock
    const remembered = new Map<string, Remembered>()
    const reading = new Map<string, Fiber.Fiber<Remembered, SqlError | Storage.StorageUnavailable>>()
    const used = new Map<string, number>()

    const remember = (apiKeyId: string, fact: Remembered) => {
      remembered.delete(apiKeyId)
      remembered.set(apiKeyId, fact)
      if (remembered.size > rememberedMax) {
        for (const oldest of remembered.keys()) {
          remembered.delete(oldest)
          break
        }
      }
      return fact
    }

    const query = (apiKeyId: string) =>
      sql<KeyRow>`
        SELECT k.api_key_id::text AS "apiKeyId", k.tenant_id AS "tenantId", k.kind, k.scopes,
               k.secret_hash AS "secretHash", k.expires_at AS "expiresAt", k.revoked_at IS NOT NULL AS "isRevoked",
               k.tenant_id IS NULL OR t.status = 'active' AS "isTenantActive"
          FROM hm_api_key k
          LEFT JOIN hm_tenant t ON t.tenant_id = k.tenant_id
         WHERE k.api_key_id = ${apiKeyId}::uuid
      `

    /** One read a key at a time, however many requests wait for it; it outlives each of them. */
    const read = (apiKeyId: string) =>
      Effect.suspend(() => {
        const running = reading.get(apiKeyId)
        if (running !== undefined) return Effect.succeed(running)
        const begunAtMillis = clock.currentTimeMillisUnsafe()
        return query(apiKeyId).pipe(
          Effect.map(([row]) => remember(apiKeyId, toRemembered(row, begunAtMillis))),
          Storage.within(readDeadline),
          Effect.ensuring(Effect.sync(() => reading.delete(apiKeyId))),
          Effect.forkDetach,
          Effect.tap((fiber) => Effect.sync(() => reading.set(apiKeyId, fiber)))
        )
      })

    const readAndWait = (apiKeyId: string): Effect.Effect<Remembered, SqlError> =>
      read(apiKeyId).pipe(
        Effect.flatMap(Fiber.join),
        Effect.catchTag("StorageUnavailable", () => Effect.fail(readTimedOut))
      )

    const judge = (
      parsed: KeyText.Parsed,
      fact: Remembered,
      nowMillis: number
    ): Option.Option<Credential> => {
      // Compared also for unknown keys, so that the time tells nothing.
      const isSame = timingSafeEqual(createHash("sha256").update(parsed.secret).digest(), fact.secretHash)
      if (!isSame || fact.expiresAtMillis <= nowMillis) return Option.none()
      if (Option.isSome(fact.credential)) used.set(parsed.apiKeyId, nowMillis)
      return fact.credential
    }

    const authenticate = (secret: Redacted.Redacted): Effect.Effect<Option.Option<Credential>, SqlError> => {
      const parsed = KeyText.parse(Redacted.value(secret))
      if (parsed === undefined) return Effect.succeedNone
      const fact = remembered.get(parsed.apiKeyId)
      const nowMillis = clock.currentTimeMillisUnsafe()
      const age = fact === undefined ? Infinity : nowMillis - fact.readAtMillis
      if (fact === undefined || age >= rememberedMillis) {
        return Effect.flatMap(readAndWait(parsed.apiKeyId), (fresh) =>
          Effect.map(now, (moment) => judge(parsed, fresh, moment.getTime()))
        )
      }
      const judged = Effect.map(now, (moment) => judge(parsed, fact, moment.getTime()))
      return age < refreshMillis ? judged : Effect.andThen(read(parsed.apiKeyId), judged)
    }

    const writeUses = Effect.suspend(() => {
      if (used.size === 0) return Effect.void
      const ids = Array.from(used.keys())
      const times = Array.from(used.values(), (millis) => new Date(millis))
      used.clear()
      return sql`
        UPDATE hm_api_key k
           SET last_used_at = u.used_at
          FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS u (api_key_id, used_at)
         WHERE k.api_key_id = u.api_key_id AND (k.last_used_at IS NULL OR k.last_used_at < u.used_at)
      `.pipe(Storage.within(readDeadline), Effect.ignore)
    })
    yield* Effect.addFinalizer(() => writeUses)
    yield* writeUses.pipe(Effect.repeat(Schedule.spaced(usesWriteInterval)), Effect.forkScoped)

    return { authenticate }
  })
)
