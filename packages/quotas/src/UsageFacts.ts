/**
 * Usage from the shop's facts: `usage.recorded` of core's `Commerce` counts like a `record` whose key is the fact's `usageId`.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf } from "@hypermarket/core/InputErrors"
import * as Now from "@hypermarket/core/Now"
import type * as Outbox from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
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
import * as QuotaCatalog from "./internal/quotaCatalog.ts"
import { periodOf } from "./internal/quotaPeriod.ts"
import { keyKeptMillis } from "./internal/quotaStatements.ts"
import * as UsageStatements from "./internal/usageStatements.ts"

/**
 * The event type of the facts.
 *
 * @category constants
 * @since 0.1.0
 */
export const type = Commerce.typeOf("usage.recorded")

const decode = Schema.decodeUnknownResult(Commerce.UsageRecorded)

const unplaced = (event: Outbox.Event, reason: string, field: string, message: string) =>
  Subscription.reject(event, reason, [{ path: [field], message }])

/**
 * @category services
 * @since 0.1.0
 */
export class UsageFacts extends Context.Service<
  UsageFacts,
  {
    /**
     * Records the usage of facts, each once per `usageId`, in one transaction. Facts that cannot be counted are returned with
     * their reason: of an unknown feature, of one that is not metered, older than keys are kept, or of a `usageId` that was used
     * for other usage.
     */
    readonly record: (
      events: ReadonlyArray<Outbox.Event>
    ) => Effect.Effect<ReadonlyArray<Subscription.Rejection>, SqlError, Tenant>
  }
>()("@hypermarket/quotas/UsageFacts") {
  static readonly layer: Layer.Layer<UsageFacts, never, SqlClient.SqlClient> = Layer.effect(
    UsageFacts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { many } = QuotaCatalog.make(sql)
      const inTransaction = transactionOf(sql)

      const record = Effect.fn("UsageFacts.record")(function* (events: ReadonlyArray<Outbox.Event>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const oldest = now.getTime() - keyKeptMillis
        const rejections: Array<Subscription.Rejection> = []
        const read = events.flatMap((event) => {
          const decoded = decode(event.data)
          if (Result.isSuccess(decoded)) return [{ event, fact: decoded.success }]
          rejections.push(Subscription.reject(event, "usage-fact-invalid", errorsOf(decoded.failure)))
          return []
        })
        const features = yield* many.knownFeatures(read.map(({ fact }) => fact.feature))
        const entries = new Map<string, UsageStatements.Entry>()
        const counted: Array<{
          readonly event: Outbox.Event
          readonly key: string
          readonly request: string
        }> = []
        for (const { event, fact } of read) {
          const feature = features.get(fact.feature)
          if (feature === undefined) {
            rejections.push(
              unplaced(event, "usage-feature-unknown", "feature", "Expected a feature that exists")
            )
          } else if (feature.kind !== "metered") {
            rejections.push(
              unplaced(event, "usage-feature-not-metered", "feature", "Expected a metered feature")
            )
          } else if (fact.at.epochMilliseconds <= oldest) {
            // Its key may have been deleted: counting it could count it twice.
            rejections.push(unplaced(event, "usage-too-old", "at", "Expected usage of the last 35 days"))
          } else {
            const subject = fact.subject ?? ""
            const occurredAt = DateTime.toDate(fact.at)
            const request = UsageStatements.recordFingerprint(feature.feature, subject, fact.quantity)
            counted.push({ event, key: fact.usageId, request })
            if (!entries.has(fact.usageId)) {
              entries.set(fact.usageId, {
                account: {
                  tenantId: tenant.id,
                  feature: feature.feature,
                  subject,
                  period: periodOf(feature, occurredAt)
                },
                key: fact.usageId,
                request,
                amount: fact.quantity,
                occurredAt
              })
            }
          }
        }
        if (entries.size === 0) return rejections
        const requests = yield* inTransaction(
          Effect.gen(function* () {
            yield* UsageStatements.append(sql, tenant.id, Array.from(entries.values()), now)
            return yield* UsageStatements.usedKeys(sql, tenant.id, Array.from(entries.keys()))
          })
        )
        for (const { event, key, request } of counted) {
          if (requests.get(key) !== request) {
            rejections.push(
              unplaced(
                event,
                "usage-id-reused",
                "usageId",
                "Expected a usageId that was not used for other usage"
              )
            )
          }
        }
        return rejections
      })

      return UsageFacts.of({ record })
    })
  )
}
