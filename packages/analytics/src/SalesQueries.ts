/**
 * The service of questions about sales. An answer comes from the smallest summary that has the dimensions, or from the
 * lines, and is exact to the last commit either way.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Catalogue from "./Catalogue.ts"
import * as Grains from "./internal/grains.ts"
import * as Overflow from "./internal/overflow.ts"
import * as SalesCsv from "./internal/salesCsv.ts"
import * as SalesFill from "./internal/salesFill.ts"
import * as SalesPlan from "./internal/salesPlan.ts"
import * as SalesRows from "./internal/salesRows.ts"
import * as SalesStatements from "./internal/salesStatements.ts"
import * as ZoneNames from "./internal/zoneNames.ts"
import { waitingMax } from "./OrderSummaries.ts"
import { SalesFreshness } from "./SalesFreshness.ts"
import { rowsMax, type SalesAnswer, type SalesQuery, SalesQueryInvalid } from "./SalesQuery.ts"

/** Two nights: one may be missed. */
const provenHours = 48
/** More months than a person repairs one by one. */
const differingMonthsMax = 100

const FreshnessRow = Schema.Struct({
  changedAt: Schema.NullOr(Column.Timestamp),
  rows: Schema.Int,
  oldestAt: Schema.NullOr(Column.Timestamp),
  provedAt: Schema.NullOr(Column.Timestamp),
  months: Schema.NullOr(Schema.Int),
  differences: Schema.NullOr(Schema.Int),
  isRecent: Schema.Boolean,
  factsFrom: SalesFreshness.fields.factsFrom,
  differingMonths: SalesFreshness.fields.differingMonths
})

const decodeFreshness = Schema.decodeUnknownEffect(FreshnessRow)

/**
 * Runs questions about sales.
 *
 * @category services
 * @since 0.1.0
 */
export class SalesQueries extends Context.Service<
  SalesQueries,
  {
    /** Runs a query in one statement. Fails with `SalesQueryInvalid` when it has no sensible or bounded answer. */
    readonly run: (query: SalesQuery) => Effect.Effect<SalesAnswer, SalesQueryInvalid | SqlError, Tenant>
    /**
     * Runs a query and returns its rows as CSV (RFC 4180) with a header. Amounts are minor units, and the column `currency` has
     * theirs. Text that a spreadsheet would take for a formula has an apostrophe before it. Without a limit an answer of more
     * than 10,000 rows is refused.
     */
    readonly csv: (query: SalesQuery) => Effect.Effect<string, SalesQueryInvalid | SqlError, Tenant>
    /** Reads how many changes wait for a merge, and when figures were last compared with their facts. */
    readonly freshness: Effect.Effect<SalesFreshness, SqlError, Tenant>
  }
>()("@hypermarket/analytics/SalesQueries") {
  static readonly layer: Layer.Layer<SalesQueries, never, SqlClient.SqlClient> = Layer.suspend(() =>
    layerOf(SalesPlan.limits)
  )
}

/**
 * With other limits than the usual ones, for tests.
 *
 * @internal
 */
export const layerOf = (limits: SalesPlan.Limits): Layer.Layer<SalesQueries, never, SqlClient.SqlClient> =>
  Layer.effect(
    SalesQueries,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = SalesStatements.make(sql)

      const zoneNames = ZoneNames.make(sql)

      const ownOf = (tenantId: string) =>
        sql<{ readonly ownZone: string; readonly factsFrom: string | null }>`
          SELECT coalesce((
                          SELECT zone
                            FROM hm_order_zone
                           WHERE tenant_id = ${tenantId} AND seller_id = ''
                          ), 'UTC') AS "ownZone",
                 (SELECT facts_from::text
                    FROM hm_order_retention
                   WHERE tenant_id = ${tenantId}) AS "factsFrom"
        `.pipe(
          Effect.map(([row]) => ({ ownZone: row?.ownZone ?? "UTC", factsFrom: row?.factsFrom ?? undefined }))
        )

      const closeOf = Effect.fnUntraced(function* (tenantId: string, closeId: string) {
        const [close] = yield* sql<SalesPlan.Closed>`
          SELECT close_id::text AS "closeId", period, from_day::text AS "fromDay", until_day::text AS "untilDay"
            FROM hm_order_close
           WHERE tenant_id = ${tenantId} AND close_id = ${closeId}::uuid
        `
        if (close !== undefined) return close
        return yield* new SalesQueryInvalid({ errors: [{ path: ["asOf"], message: "No such close" }] })
      })

      const answerOf = (planned: SalesPlan.Planned, rows: ReadonlyArray<SalesStatements.Row>) => {
        const isCut = rows.length > planned.limit
        const listed = planned.isFilled && !isCut ? SalesFill.fill(planned, rows) : rows
        return {
          rows: SalesRows.toRows(planned, listed.slice(0, planned.limit)),
          isComplete: listed.length <= planned.limit
        }
      }

      const select = (
        tenantId: string,
        planned: SalesPlan.Planned,
        compared: SalesPlan.Planned | undefined
      ): Effect.Effect<SalesStatements.Answers, SalesQueryInvalid | SqlError> =>
        (compared === undefined
          ? Effect.map(statements.select(tenantId, planned), (rows) => ({ rows, compared: [] }))
          : statements.selectBoth(tenantId, planned, compared)
        ).pipe(
          Effect.catchTag("SqlError", (error): Effect.Effect<never, SalesQueryInvalid | SqlError> =>
            Effect.fail(Overflow.isOverflow(error) ? sumTooLarge : error)
          )
        )

      /** How much a question from the lines reads, from the smallest summary. Days of other zones are within two days of these. */
      const sizeOf = (tenantId: string, { readFrom, until }: SalesPlan.Unsized) =>
        sql<SalesPlan.Size>`
          SELECT coalesce(sum(lines) FILTER (WHERE bucket >= ${readFrom}::date - 2 AND bucket < ${until}::date + 2), 0)
                   ::float8 AS lines,
                 coalesce(sum(orders), 0)::float8 AS orders
            FROM (
                 SELECT bucket, lines, orders
                   FROM hm_order_summary
                  WHERE tenant_id = ${tenantId} AND grain = ${Grains.tenantDay.number} AND seller_id = ''
                 UNION ALL
                 SELECT tenant_day, lines, orders
                   FROM hm_order_delta
                  WHERE tenant_id = ${tenantId}
                    AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)) d
        `.pipe(Effect.map(([row]) => row ?? { lines: 0, orders: 0 }))

      const plan = Effect.fnUntraced(function* (
        tenantId: string,
        query: SalesQuery,
        context: Omit<SalesPlan.Context, "size">
      ) {
        const planned = SalesPlan.plan(query, { ...context, size: undefined })
        if (planned._tag !== "Unsized") return planned
        const sized = SalesPlan.plan(query, { ...context, size: yield* sizeOf(tenantId, planned) })
        return sized._tag === "Unsized" ? yield* Effect.die("a question is sized once") : sized
      })

      /** The query with its zone named as the database has it. */
      const zoned = Effect.fnUntraced(function* (query: SalesQuery) {
        if (query.timeDimension.zone === undefined) return query
        const zone = ZoneNames.nameOf(yield* zoneNames, query.timeDimension.zone)
        return zone === undefined
          ? yield* zoneUnknown
          : { ...query, timeDimension: { ...query.timeDimension, zone } }
      })

      const answer = Effect.fnUntraced(function* (asked: SalesQuery) {
        const tenant = yield* Tenant
        const query = yield* zoned(asked)
        const closed = query.asOf === undefined ? undefined : yield* closeOf(tenant.id, query.asOf)
        const context = { ...(yield* ownOf(tenant.id)), closed, limits }
        const planned = yield* plan(tenant.id, query, context)
        if (planned._tag === "Refused") return yield* new SalesQueryInvalid({ errors: planned.errors })
        const { compareWith } = query
        const compared =
          compareWith === undefined
            ? undefined
            : yield* plan(
                tenant.id,
                { ...query, timeDimension: { ...query.timeDimension, ...compareWith } },
                context
              )
        if (compared?._tag === "Refused") {
          return yield* new SalesQueryInvalid({
            errors: compared.errors.map(({ message }) => ({ path: ["compareWith"], message }))
          })
        }
        const answers = yield* select(tenant.id, planned, compared)
        if (hasUnsafeCount(planned, answers)) return yield* sumTooLarge
        return {
          planned,
          compared,
          answer: {
            ...answerOf(planned, answers.rows),
            ...(compared === undefined ? {} : { comparison: answerOf(compared, answers.compared) }),
            ...SalesRows.estimateOf(planned, compared, answers),
            source: planned.source.name,
            zone: planned.zone
          }
        }
      })

      const run = Effect.fn("SalesQueries.run")((query: SalesQuery) =>
        Effect.map(answer(query), ({ answer: answered }): SalesAnswer => answered)
      )

      const csv = Effect.fn("SalesQueries.csv")(function* (query: SalesQuery) {
        if (query.compareWith !== undefined) return yield* csvCompared
        const { answer: answered, planned } = yield* answer({ ...query, limit: query.limit ?? rowsMax })
        if (query.limit === undefined && !answered.isComplete) return yield* csvTooLong
        return SalesCsv.encode(planned, answered)
      })

      const freshness = Effect.gen(function* () {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const [row] = yield* sql`
          WITH waiting AS MATERIALIZED (
            SELECT recorded_at
              FROM hm_order_delta
             WHERE tenant_id = ${tenant.id}
               AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenant.id}), 0)
             LIMIT ${waitingMax})
          SELECT greatest((SELECT max(recorded_at) FROM waiting),
                          (SELECT max(merged_at)
                             FROM hm_order_summary
                            WHERE tenant_id = ${tenant.id} AND grain = ${Grains.tenantDay.number} AND seller_id = ''))
                   AS "changedAt",
                 (SELECT count(*)::int FROM waiting) AS rows, (SELECT min(recorded_at) FROM waiting) AS "oldestAt",
                 p.proved_at AS "provedAt", p.months::int AS months, p.differences::int AS differences,
                 coalesce(p.proved_at > ${now}::timestamptz - make_interval(hours => ${provenHours}), false) AS "isRecent",
                 (SELECT facts_from::text FROM hm_order_retention WHERE tenant_id = ${tenant.id}) AS "factsFrom",
                 (SELECT coalesce(json_agg(json_build_object('month', to_char(month, 'YYYY-MM'),
                                                             'differences', differences) ORDER BY month), '[]')
                    FROM (
                         SELECT month, differences
                           FROM hm_order_month
                          WHERE tenant_id = ${tenant.id} AND differences > 0
                          ORDER BY month
                          LIMIT ${differingMonthsMax}) m) AS "differingMonths"
            FROM (VALUES (true)) AS once
            LEFT JOIN LATERAL (
                 SELECT *
                   FROM hm_order_proof
                  WHERE tenant_id = ${tenant.id}
                  ORDER BY proved_at DESC
                  LIMIT 1) p ON true
        `
        const {
          changedAt,
          differences,
          differingMonths,
          factsFrom,
          isRecent,
          months,
          oldestAt,
          provedAt,
          rows
        } = yield* Effect.orDie(decodeFreshness(row))
        return new SalesFreshness({
          status: differingMonths.length > 0 ? "differing" : isRecent ? "proven" : "unproven",
          changedAt,
          backlog: { rows, oldestAt },
          proof: provedAt === null ? null : { provedAt, months: months ?? 0, differences: differences ?? 0 },
          factsFrom,
          differingMonths
        })
      }).pipe(Effect.withSpan("SalesQueries.freshness"))

      return SalesQueries.of({ run, csv, freshness })
    })
  )

/** A count beyond 2^53 and an amount beyond 2^63 have no place in an answer. */
const sumTooLarge = new SalesQueryInvalid({
  errors: [
    { path: ["measures"], message: "A sum is too large: ask for fewer days, or leave the measure out" }
  ]
})

const zoneUnknown = new SalesQueryInvalid({
  errors: [{ path: ["timeDimension", "zone"], message: "The database knows no such time zone" }]
})

const csvCompared = new SalesQueryInvalid({
  errors: [{ path: ["compareWith"], message: "Expected no compareWith: CSV has the rows of one period" }]
})

const csvTooLong = new SalesQueryInvalid({
  errors: [{ path: ["limit"], message: `More than ${rowsMax} rows: set a limit, or narrow the query` }]
})

const isUnsafe = (value: unknown): boolean =>
  typeof value === "bigint" && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)

const hasUnsafeCount = ({ measures }: SalesPlan.Planned, answers: SalesStatements.Answers): boolean => {
  const counts = measures.filter((name) => Catalogue.measureOf(name).unit === "count")
  const isUnsafeRow = (row: SalesStatements.Row) => counts.some((name) => isUnsafe(row[name]))
  return answers.rows.some(isUnsafeRow) || answers.compared.some(isUnsafeRow)
}
