/**
 * Core's `Credentials` over `hm_api_key`.
 *
 * Keys are remembered for {@link rememberedMillis}. A key in use is read again in the background before that: authentication
 * of busy keys costs no query, and a revocation takes effect within 5 seconds in every process. While the
 * database is unavailable, a caller that asks with `whileAway` gets the credential as it was last read for that time.
 *
 * @since 0.1.0
 */
import { type Credential, Credentials, whileAwayMax } from "@hypermarket/core/Credentials"
import { now } from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { createHash, timingSafeEqual } from "node:crypto"
import { credentialOf, type KeyRow } from "./internal/keyRow.ts"
import * as KeyText from "./internal/keyText.ts"
import * as RememberedReads from "./internal/rememberedReads.ts"

/**
 * How long a key is trusted without asking the database, in milliseconds. With the second that a read may take it stays
 * below the promised 5 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const rememberedMillis = RememberedReads.rememberedMillis

/** A caller that may do without waits this long for a read; afterwards the database counts as unavailable until one succeeds. */
const awayPatience = "100 millis"
const whileAwayMaxMillis = Duration.toMillis(whileAwayMax)
/** Unknown ids are remembered too, so that guessing cannot flood the database; the oldest are forgotten first. */
const rememberedMax = 20_000
const usesWriteInterval = "30 seconds"

interface Row extends KeyRow {
  readonly secretHash: Uint8Array
  readonly expiresAt: Date | null
  readonly isRevoked: boolean
}

interface Fact {
  readonly expiresAtMillis: number
  readonly secretHash: Uint8Array
  /** None for an unknown or revoked key. */
  readonly credential: Option.Option<Credential>
}

const readTimedOut = Storage.tookTooLong("Reading a key")

const noHash = new Uint8Array(32)

const factOf = (row: Row | undefined): Fact => ({
  expiresAtMillis: row?.expiresAt?.getTime() ?? Infinity,
  secretHash: row?.secretHash ?? noHash,
  credential: row === undefined || row.isRevoked ? Option.none() : Option.some(credentialOf(row))
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Credentials, never, SqlClient.SqlClient> = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const used = new Map<string, number>()
    let isAway = false

    const query = (apiKeyId: string) =>
      sql<Row>`
        SELECT k.api_key_id::text AS "apiKeyId", k.tenant_id AS "tenantId", k.kind, k.scopes,
               k.secret_hash AS "secretHash", k.expires_at AS "expiresAt", k.revoked_at IS NOT NULL AS "isRevoked",
               k.tenant_id IS NULL OR t.status = 'active' AS "isTenantActive", k.environment, t.plan, k.resource
          FROM hm_api_key k
          LEFT JOIN hm_tenant t ON t.tenant_id = k.tenant_id
         WHERE k.api_key_id = ${apiKeyId}::uuid
      `

    const reads = yield* RememberedReads.make({
      what: "Reading a key",
      max: rememberedMax,
      query: (apiKeyId) =>
        Effect.map(query(apiKeyId), ([row]) => {
          isAway = false
          return factOf(row)
        })
    })

    const judge = (parsed: KeyText.Parsed, fact: Fact, nowMillis: number): Option.Option<Credential> => {
      // Compared also for unknown keys, so that the time tells nothing.
      const isSame = timingSafeEqual(createHash("sha256").update(parsed.secret).digest(), fact.secretHash)
      if (!isSame || fact.expiresAtMillis <= nowMillis) return Option.none()
      if (Option.isSome(fact.credential)) used.set(parsed.apiKeyId, nowMillis)
      return fact.credential
    }

    const judgeNow = (parsed: KeyText.Parsed, fact: Fact) =>
      Effect.map(now, (date) => judge(parsed, fact, date.getTime()))

    /** Reads a key, or judges by what was last read of it while the database is unavailable. */
    const readOrRemembered = (parsed: KeyText.Parsed, fact: Fact) => {
      const judged = judgeNow(parsed, fact)
      // The read goes on in the background: the first that succeeds ends the outage.
      if (isAway) return Effect.andThen(reads.begin(parsed.apiKeyId), judged)
      return reads.read(parsed.apiKeyId).pipe(
        Effect.timeoutOrElse({ duration: awayPatience, orElse: () => Effect.fail(readTimedOut) }),
        Effect.matchEffect({
          onFailure: () =>
            Effect.suspend(() => {
              isAway = true
              return judged
            }),
          onSuccess: (fresh) => judgeNow(parsed, fresh)
        })
      )
    }

    const authenticate: Credentials["Service"]["authenticate"] = (secret, options) =>
      Effect.suspend(() => {
        const parsed = KeyText.parse(Redacted.value(secret))
        if (parsed === undefined) return Effect.succeedNone
        return Effect.flatMap(reads.current(parsed.apiKeyId), (current) => {
          if (current !== undefined) return judgeNow(parsed, current)
          const last = reads.last(parsed.apiKeyId)
          const whileAwayMillis = Math.min(Duration.toMillis(options?.whileAway ?? 0), whileAwayMaxMillis)
          // A key that was unknown or revoked when last read opens nothing, but may have been made since.
          return last !== undefined && last.ageMillis < whileAwayMillis && Option.isSome(last.fact.credential)
            ? readOrRemembered(parsed, last.fact)
            : Effect.flatMap(reads.read(parsed.apiKeyId), (fresh) => judgeNow(parsed, fresh))
        })
      })

    const writeUses = Effect.suspend(() => {
      if (used.size === 0) return Effect.void
      const ids = Array.from(used.keys())
      const times = Array.from(used.values(), (millis) => new Date(millis))
      used.clear()
      return sql`
        INSERT INTO hm_api_key_use AS written (api_key_id, last_used_at)
        SELECT used.api_key_id, used.used_at
          FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS used (api_key_id, used_at)
          -- Two processes that write the same keys lock them in one order.
         ORDER BY used.api_key_id
            ON CONFLICT (api_key_id)
            DO UPDATE
           SET last_used_at = excluded.last_used_at
         WHERE written.last_used_at < excluded.last_used_at
      `.pipe(Storage.within(RememberedReads.readDeadline), Effect.ignore)
    })
    yield* Effect.addFinalizer(() => writeUses)
    yield* writeUses.pipe(Effect.repeat(Schedule.spaced(usesWriteInterval)), Effect.forkScoped)

    return { authenticate }
  })
)
