/**
 * Addresses that get no more mail, by a keyed hash: the list holds no address.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Now from "@hypermarket/core/Now"
import * as Row from "@hypermarket/core/Row"
import { Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statements from "./internal/deliveryStatements.ts"
import {
  type NewNotificationSuppression,
  NotificationSuppression,
  NotificationSuppressionNotFound
} from "./NotificationSuppression.ts"

const purpose = "hm_notification_suppression.address_hash"

const suppressionRow = Row.make(NotificationSuppression, {
  reason: Schema.Literals(["bounce", "complaint", "manual"]),
  detail: Schema.NullOr(Schema.String),
  expiresAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp
})

/** An address that is reported as missing, or as its owner's who complained. */
interface Reported {
  readonly address: string
  readonly reason: "bounce" | "complaint"
  readonly detail: string
}

/** One per address, since a statement changes a row once: a bounce weighs more. */
const strongest = (list: ReadonlyArray<Reported>): ReadonlyArray<Reported> => {
  const byAddress = new Map<string, Reported>()
  for (const reported of list) {
    const address = normalOf(reported.address)
    if (byAddress.get(address)?.reason !== "bounce") byAddress.set(address, { ...reported, address })
  }
  return Array.from(byAddress.values())
}

/** The address as it is compared: core's normal form. */
const normalOf = (address: string): string =>
  Result.match(EmailAddress.parse(address), { onFailure: () => address, onSuccess: ({ normal }) => normal })

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationSuppressions extends Context.Service<
  NotificationSuppressions,
  {
    /** Adds an address, or changes its reason and expiry. */
    readonly add: (
      suppression: NewNotificationSuppression
    ) => Effect.Effect<NotificationSuppression, SecretsNotConfigured | SqlError, Tenant>
    readonly find: (
      address: string
    ) => Effect.Effect<
      NotificationSuppression,
      NotificationSuppressionNotFound | SecretsNotConfigured | SqlError,
      Tenant
    >
    /** Lifts a suppression. An address without one is no error. */
    readonly lift: (address: string) => Effect.Effect<void, SecretsNotConfigured | SqlError, Tenant>
    /** Returns the reasons of those addresses that are suppressed. The worker calls it. */
    readonly reasons: (
      addresses: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, SqlError, Tenant>
    /**
     * Suppresses addresses that mail servers or providers report, by one statement. A complaint does not replace a stronger
     * reason: required mail passes it. Without `HM_SECRETS_KEYS` nothing is suppressed, and the log says so. The worker calls
     * it.
     */
    readonly suppressReported: (list: ReadonlyArray<Reported>) => Effect.Effect<void, SqlError, Tenant>
  }
>()("@hypermarket/notifications/NotificationSuppressions") {
  static readonly layer: Layer.Layer<NotificationSuppressions, never, SqlClient.SqlClient | Secrets> =
    Layer.effect(
      NotificationSuppressions,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const secrets = yield* Secrets
        const statements = Statements.make(sql)
        const columns = sql.literal(suppressionRow.columns)
        const hashOf = (address: string) => secrets.hash(purpose, normalOf(address))

        const write = Effect.fnUntraced(function* (suppression: NewNotificationSuppression) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const hash = yield* hashOf(suppression.address)
          const expiresAt =
            suppression.expiresAt === undefined ? null : DateTime.toDateUtc(suppression.expiresAt)
          const [row] = yield* sql`
            INSERT INTO hm_notification_suppression AS s (tenant_id, address_hash, reason, detail, expires_at, recorded_at)
            VALUES (${tenant.id}, ${hash}, ${suppression.reason}, ${suppression.detail ?? null}, ${expiresAt}, ${now})
                ON CONFLICT (tenant_id, address_hash)
                DO UPDATE SET reason = excluded.reason, detail = excluded.detail, expires_at = excluded.expires_at,
                              recorded_at = excluded.recorded_at
            RETURNING ${columns}
          `
          return row
        })

        const add = Effect.fn("NotificationSuppressions.add")((suppression: NewNotificationSuppression) =>
          transactionOf(sql)(
            Effect.tap(Effect.flatMap(write(suppression), suppressionRow.decode), ({ reason }) =>
              Audit.record({
                action: "notification-suppression.added",
                target: { type: "suppression", id: reason },
                after: { reason }
              })
            )
          )
        )

        const find = Effect.fn("NotificationSuppressions.find")(function* (address: string) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const hash = yield* hashOf(address)
          const [row] = yield* sql`
            SELECT ${columns}
              FROM hm_notification_suppression
             WHERE tenant_id = ${tenant.id}
               AND address_hash = ${hash}
               AND (expires_at IS NULL OR expires_at > ${now})
          `
          if (row === undefined) return yield* new NotificationSuppressionNotFound()
          return yield* suppressionRow.decode(row)
        })

        const lift = Effect.fn("NotificationSuppressions.lift")(function* (address: string) {
          const tenant = yield* Tenant
          const hash = yield* hashOf(address)
          yield* transactionOf(sql)(
            Effect.andThen(
              sql`
                DELETE FROM hm_notification_suppression
                 WHERE tenant_id = ${tenant.id} AND address_hash = ${hash}
              `,
              Audit.record({
                action: "notification-suppression.lifted",
                target: { type: "suppression", id: "address" }
              })
            )
          )
        })

        const reasons = Effect.fn("NotificationSuppressions.reasons")(function* (
          addresses: ReadonlyArray<string>
        ) {
          const tenant = yield* Tenant
          const [row] = yield* statements.hasSuppressions(tenant.id)
          const found = new Map<string, string>()
          // Hashing reads the data key each time: most tenants have no suppression at first.
          if (row?.has !== true) return found
          const now = yield* Now.now
          const distinct = Array.from(new Set(addresses))
          // A list that cannot be read suppresses everything: mail is late, and never sent against a complaint.
          const hashes = yield* Effect.catchTag(
            secrets.hashes(purpose, distinct.map(normalOf)),
            "SecretsNotConfigured",
            () => Effect.succeed(undefined)
          )
          if (hashes === undefined)
            return new Map(distinct.map((address) => [address, "secrets-not-configured"]))
          for (const { n, reason } of yield* statements.suppressionsOf(tenant.id, hashes, now)) {
            const address = distinct[n - 1]
            if (address !== undefined) found.set(address, reason)
          }
          return found
        })

        const suppressReported = Effect.fn("NotificationSuppressions.suppressReported")(
          function* (list: ReadonlyArray<Reported>) {
            if (list.length === 0) return
            const tenant = yield* Tenant
            const now = yield* Now.now
            const reported = strongest(list)
            const hashes = yield* secrets.hashes(
              purpose,
              reported.map(({ address }) => address)
            )
            yield* statements.suppress(
              tenant.id,
              reported.map(({ detail, reason }, index) => ({
                hash: hashes[index] ?? new Uint8Array(),
                reason,
                detail: detail === "" ? reason : detail
              })),
              now
            )
          },
          Effect.catchTag("SecretsNotConfigured", () =>
            Effect.logWarning("Reported addresses are not suppressed: HM_SECRETS_KEYS is not set")
          )
        )

        return NotificationSuppressions.of({ add, find, lift, reasons, suppressReported })
      })
    )
}
