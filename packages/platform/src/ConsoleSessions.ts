/**
 * Sessions of the console: a browser's token stands for keys of one or more tenants, whose secrets are forgotten once they
 * were checked. One-time codes begin a session without a secret.
 *
 * A session ends by sign-out, by age, by idleness, or when none of its keys is live any more: within 5 seconds in every
 * process. Its row is read together with those of its keys.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import { AllTenants } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash, timingSafeEqual } from "node:crypto"
import type { ApiKeyId } from "./ApiKey.ts"
import { type ConsoleSession, ConsoleSessionEnded, ConsoleSessionFull } from "./ConsoleSession.ts"
import * as BatchedDelete from "./internal/batchedDelete.ts"
import { credentialOf, type KeyRow } from "./internal/keyRow.ts"
import * as RememberedReads from "./internal/rememberedReads.ts"
import * as Settings from "./PlatformSettings.ts"

/**
 * Maximum keys of a session. An operator with more tenants uses a second browser profile.
 *
 * @category limits
 * @since 0.1.0
 */
export const keysMax = 50

/**
 * Maximum sessions of a key. The oldest ends when there would be more.
 *
 * @category limits
 * @since 0.1.0
 */
export const sessionsPerKeyMax = 100

/**
 * Lifetime of a one-time code in milliseconds: long enough to paste a link, too short to be found in a history later.
 *
 * @category limits
 * @since 0.1.0
 */
export const codeMillis = 600_000

/** Unknown tokens are remembered too; the oldest are forgotten first. */
const rememberedMax = 10_000

/** Idleness counts in minutes: writing each use would be a write per request. */
const usesWriteInterval = "30 seconds"

const minuteMillis = 60_000
const hourMillis = 60 * minuteMillis

const userAgentLengthMax = 500
const secretBytes = 32
const secretPattern = /^[A-Za-z0-9_-]{43}$/

const newSecret = (): string => Buffer.from(SecureRandom.randomBytesUnsafe(secretBytes)).toString("base64url")

const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest()

interface Row extends KeyRow {
  readonly sessionId: string
  readonly tokenHash: Uint8Array
  readonly label: string | null
  readonly recordedAt: Date
  readonly usedAt: Date
  readonly expiresAt: Date
  readonly keyName: string
  readonly keyExpiresAt: Date | null
  readonly isRevoked: boolean
}

/**
 * A session and the token that the browser keeps. The token is stored as a hash and shown once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly token: Redacted.Redacted
  readonly session: ConsoleSession
}

/**
 * Opens, finds and ends sessions of the console.
 *
 * @category services
 * @since 0.1.0
 */
export class ConsoleSessions extends Context.Service<
  ConsoleSessions,
  {
    /** Opens a session that holds one key, and ends the session that it replaces. The caller has checked the key. */
    readonly open: (request: {
      readonly apiKeyId: ApiKeyId
      readonly label: string | null
      readonly userAgent: string | undefined
      readonly address: string
      readonly replaces: Redacted.Redacted | undefined
    }) => Effect.Effect<Opened, ConsoleSessionEnded | SqlError>
    /**
     * Adds a checked key to a session, in place of the one that it holds for the same tenant. The session gets a new token
     * and keeps its age.
     */
    readonly add: (
      token: Redacted.Redacted,
      apiKeyId: ApiKeyId
    ) => Effect.Effect<Opened, ConsoleSessionEnded | ConsoleSessionFull | SqlError>
    /** `None` for a token that is unknown and for a session that has ended. Counts as a use of the session. */
    readonly find: (token: Redacted.Redacted) => Effect.Effect<Option.Option<ConsoleSession>, SqlError>
    /** Ends a session. An unknown token changes nothing. */
    readonly end: (token: Redacted.Redacted) => Effect.Effect<void, SqlError>
    /** Makes a code that begins one session with the key, within {@link codeMillis}. */
    readonly issueCode: (apiKeyId: ApiKeyId) => Effect.Effect<Redacted.Redacted, SqlError>
    /** Deletes a code and returns its key. A code is redeemed once; `None` for one that is unknown, used or expired. */
    readonly redeemCode: (code: Redacted.Redacted) => Effect.Effect<Option.Option<ApiKeyId>, SqlError>
    /** Deletes sessions and codes that have ended, and returns the number of sessions. */
    readonly prune: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/platform/ConsoleSessions") {
  static readonly layer: Layer.Layer<ConsoleSessions, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ConsoleSessions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ageMillis = (yield* Settings.consoleSessionHours.config) * hourMillis
      const idleMillis = (yield* Settings.consoleIdleMinutes.config) * minuteMillis
      const used = new Map<string, number>()

      const query = (hash: Buffer) =>
        sql<Row>`
          SELECT s.session_id::text AS "sessionId", s.token_hash AS "tokenHash", s.label, s.recorded_at AS "recordedAt",
                 s.used_at AS "usedAt", s.expires_at AS "expiresAt", k.api_key_id::text AS "apiKeyId",
                 k.name AS "keyName", k.expires_at AS "keyExpiresAt", k.revoked_at IS NOT NULL AS "isRevoked",
                 k.tenant_id AS "tenantId", k.kind, k.scopes, k.environment, k.resource,
                 k.tenant_id IS NULL OR t.status = 'active' AS "isTenantActive", t.plan
            FROM hm_console_session AS s
            JOIN hm_console_session_key AS held ON held.session_id = s.session_id
            JOIN hm_api_key AS k ON k.api_key_id = held.api_key_id
            LEFT JOIN hm_tenant AS t ON t.tenant_id = k.tenant_id
           WHERE s.token_hash = ${hash}
           ORDER BY held.recorded_at, held.api_key_id
        `

      const reads = yield* RememberedReads.make({
        what: "Reading a session",
        max: rememberedMax,
        query: (id) => query(Buffer.from(id, "base64url"))
      })

      const judge = (hash: Buffer, rows: ReadonlyArray<Row>, now: Date): Option.Option<ConsoleSession> => {
        const [first] = rows
        if (first === undefined || !timingSafeEqual(hash, first.tokenHash)) return Option.none()
        const usedAtMillis = Math.max(first.usedAt.getTime(), used.get(first.sessionId) ?? 0)
        if (first.expiresAt <= now || usedAtMillis + idleMillis <= now.getTime()) return Option.none()
        const keys = rows.map((row) => ({
          apiKeyId: row.apiKeyId as ApiKeyId,
          name: row.keyName,
          expiresAt: row.keyExpiresAt,
          isLive: !row.isRevoked && (row.keyExpiresAt === null || row.keyExpiresAt > now),
          credential: credentialOf(row)
        }))
        if (!keys.some(({ isLive }) => isLive)) return Option.none()
        used.set(first.sessionId, now.getTime())
        const { expiresAt, label, recordedAt, sessionId } = first
        return Option.some({ sessionId, label, recordedAt, expiresAt, keys })
      }

      const findByHash = Effect.fnUntraced(function* (hash: Buffer) {
        const id = hash.toString("base64url")
        const rows = (yield* reads.current(id)) ?? (yield* reads.read(id))
        return judge(hash, rows, yield* Now.now)
      })

      const find = Effect.fn("ConsoleSessions.find")(function* (token: Redacted.Redacted) {
        const text = Redacted.value(token)
        return secretPattern.test(text) ? yield* findByHash(hashOf(text)) : Option.none()
      })

      const forget = (token: Redacted.Redacted | undefined) =>
        Effect.sync(() => {
          if (token !== undefined) reads.forget(hashOf(Redacted.value(token)).toString("base64url"))
        })

      /** The session as it is now. It ended at once if its key was revoked meanwhile. */
      const opened = Effect.fnUntraced(function* (text: string) {
        const session = yield* findByHash(hashOf(text))
        if (Option.isNone(session)) return yield* new ConsoleSessionEnded()
        return { token: Redacted.make(text), session: session.value }
      })

      const open: ConsoleSessions["Service"]["open"] = Effect.fn("ConsoleSessions.open")(function* (request) {
        const now = yield* Now.now
        const sessionId = yield* Identifier.next
        const token = newSecret()
        const replaced = request.replaces === undefined ? null : hashOf(Redacted.value(request.replaces))
        yield* sql`
          WITH ended_session AS (
            DELETE FROM hm_console_session
             WHERE token_hash = ${replaced}::bytea
          ),
          -- A key that opens sessions in a loop ends its own.
          surplus_session AS (
            DELETE FROM hm_console_session
             WHERE session_id IN (
                     SELECT session_id
                       FROM hm_console_session_key
                      WHERE api_key_id = ${request.apiKeyId}::uuid
                      ORDER BY session_id DESC
                     OFFSET ${sessionsPerKeyMax - 1})
          ),
          new_session AS (
            INSERT INTO hm_console_session (session_id, token_hash, label, user_agent, address, recorded_at, used_at,
                                            expires_at)
            VALUES (${sessionId}::uuid, ${hashOf(token)}, ${request.label},
                    ${request.userAgent?.slice(0, userAgentLengthMax) || null}, ${request.address}, ${now}, ${now},
                    ${new Date(now.getTime() + ageMillis)})
            RETURNING session_id
          )
          INSERT INTO hm_console_session_key (session_id, api_key_id, recorded_at)
          SELECT session_id, ${request.apiKeyId}::uuid, ${now}
            FROM new_session
        `
        yield* forget(request.replaces)
        return yield* opened(token)
      })

      const add: ConsoleSessions["Service"]["add"] = Effect.fn("ConsoleSessions.add")(
        function* (current, apiKeyId) {
          const now = yield* Now.now
          const token = newSecret()
          const write = Effect.gen(function* () {
            const [session] = yield* sql<{ readonly sessionId: string }>`
            UPDATE hm_console_session
               SET token_hash = ${hashOf(token)}, used_at = ${now}
             WHERE token_hash = ${hashOf(Redacted.value(current))}
            RETURNING session_id::text AS "sessionId"
          `
            if (session === undefined) return yield* new ConsoleSessionEnded()
            yield* sql`
            DELETE FROM hm_console_session_key AS held
             USING hm_api_key AS held_key, hm_api_key AS new_key
             WHERE held.session_id = ${session.sessionId}::uuid
               AND held_key.api_key_id = held.api_key_id
               AND new_key.api_key_id = ${apiKeyId}::uuid
               AND held_key.tenant_id IS NOT DISTINCT FROM new_key.tenant_id
          `
            yield* sql`
            INSERT INTO hm_console_session_key (session_id, api_key_id, recorded_at)
            VALUES (${session.sessionId}::uuid, ${apiKeyId}::uuid, ${now})
          `
            const [keys] = yield* sql<{ readonly count: number }>`
            SELECT count(*)::int AS count
              FROM hm_console_session_key
             WHERE session_id = ${session.sessionId}::uuid
          `
            if (keys !== undefined && keys.count > keysMax) return yield* new ConsoleSessionFull({ keysMax })
          })
          yield* transactionOf(sql)(write)
          yield* forget(current)
          return yield* opened(token)
        }
      )

      const end = Effect.fn("ConsoleSessions.end")(function* (token: Redacted.Redacted) {
        yield* sql`
          DELETE FROM hm_console_session
           WHERE token_hash = ${hashOf(Redacted.value(token))}
        `
        yield* forget(token)
      })

      const issueCode = Effect.fn("ConsoleSessions.issueCode")(function* (apiKeyId: ApiKeyId) {
        const now = yield* Now.now
        const code = newSecret()
        yield* sql`
          INSERT INTO hm_console_code (code_hash, api_key_id, recorded_at, expires_at)
          VALUES (${hashOf(code)}, ${apiKeyId}::uuid, ${now}, ${new Date(now.getTime() + codeMillis)})
        `
        return Redacted.make(code)
      })

      const redeemCode = Effect.fn("ConsoleSessions.redeemCode")(function* (code: Redacted.Redacted) {
        const text = Redacted.value(code)
        if (!secretPattern.test(text)) return Option.none()
        const now = yield* Now.now
        // Read and deleted by one statement: of two browsers with the same link one gets the key.
        const [row] = yield* sql<{ readonly apiKeyId: ApiKeyId; readonly isLive: boolean }>`
          DELETE FROM hm_console_code AS code
           USING hm_api_key AS k
           WHERE code.code_hash = ${hashOf(text)}
             AND k.api_key_id = code.api_key_id
          RETURNING k.api_key_id::text AS "apiKeyId",
                    code.expires_at > ${now} AND k.revoked_at IS NULL AND k.kind = 'server'
                      AND (k.expires_at IS NULL OR k.expires_at > ${now}) AS "isLive"
        `
        return row?.isLive === true ? Option.some(row.apiKeyId) : Option.none()
      })

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        yield* BatchedDelete.deleteFrom(sql, "hm_console_code", sql`expires_at <= ${now}`)
        return yield* BatchedDelete.deleteFrom(
          sql,
          "hm_console_session",
          sql`expires_at <= ${now} OR used_at <= ${new Date(now.getTime() - idleMillis)}`
        )
      }).pipe(Effect.withSpan("ConsoleSessions.prune"))

      const writeUses = Effect.suspend(() => {
        if (used.size === 0) return Effect.void
        const ids = Array.from(used.keys())
        const times = Array.from(used.values(), (millis) => new Date(millis))
        used.clear()
        return sql`
          WITH used_session AS (
            SELECT session_id, used_at
              FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS used (session_id, used_at)
          ),
          -- Two processes that write the same sessions lock them in one order.
          locked_session AS (
            SELECT s.session_id
              FROM hm_console_session AS s
              JOIN used_session ON used_session.session_id = s.session_id
             ORDER BY s.session_id
               FOR UPDATE OF s
          )
          UPDATE hm_console_session AS written
             SET used_at = used_session.used_at
            FROM used_session
            JOIN locked_session ON locked_session.session_id = used_session.session_id
           WHERE written.session_id = used_session.session_id AND written.used_at < used_session.used_at
        `.pipe(Storage.within(RememberedReads.readDeadline), Effect.ignore)
      })
      yield* Effect.addFinalizer(() => writeUses)
      yield* writeUses.pipe(Effect.repeat(Schedule.spaced(usesWriteInterval)), Effect.forkScoped)

      return { open, add, find, end, issueCode, redeemCode, prune }
    })
  )
}
