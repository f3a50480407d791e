/**
 * Exposures and facts of units: recorded in batches, in any order, as often as they come.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Deletion, type Exposure, type Fact, Recorded, type Refund } from "./ExperimentUnit.ts"
import * as Settings from "./ExperimentsSettings.ts"
import * as Accounting from "./internal/accounting.ts"
import * as FactStatements from "./internal/factStatements.ts"
import * as Moments from "./internal/moments.ts"
import * as Retention from "./internal/retention.ts"

/**
 * Facts of a shop about orders and visits, recorded in one transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShopFacts {
  readonly facts: ReadonlyArray<Fact>
  readonly refunds: ReadonlyArray<Refund>
  readonly deletions: ReadonlyArray<Deletion>
}

/** Rows of the log per statement of a merge: some tens of milliseconds. */
const mergeRowsMax = 10_000
/** A round ends before the job's deadline, and the next one begins with other tenants. */
const mergeRoundLimit = "30 seconds"
/** Statements per prune. */
const prunesMax = 20
/** Tenants per round. */
const tenantsMax = 1_000

/** A fact as it is stored. A deleted order has no unit: it keeps the one it had. */
interface Row {
  readonly source: string
  readonly factId: string
  readonly version: number
  readonly unitKind: string
  readonly unit: string
  readonly at: string
  readonly quantity: number
  readonly value: bigint
  readonly currency: string
}

const rowOf = (fact: Fact): Row => ({
  source: fact.source,
  factId: fact.factId,
  version: fact.version ?? 1,
  unitKind: fact.unitKind ?? "customer",
  unit: fact.unit,
  at: DateTime.formatIso(fact.at),
  quantity: fact.withdrawn === true ? 0 : 1,
  value: fact.withdrawn === true ? 0n : (fact.value ?? 1n),
  currency: fact.currency ?? ""
})

const deletedRow = ({ orderId, version }: Deletion, now: Date): Row => ({
  source: FactStatements.orderSource,
  factId: orderId,
  version,
  unitKind: "",
  unit: "",
  at: now.toISOString(),
  quantity: 0,
  value: 0n,
  currency: ""
})

/** Its row would be kept until its time has come, whatever the retention. */
const isTooFarAhead = (at: DateTime.Utc, now: Date): boolean => Commerce.aheadMessage(at, now) !== undefined

type Reason = Recorded["rejected"][number]["reason"]

/**
 * @category services
 * @since 0.1.0
 */
export class ExperimentUnits extends Context.Service<
  ExperimentUnits,
  {
    /** Records exposures. A unit counts once, from its earliest exposure; one that saw two arms is left out and counted. */
    readonly expose: (exposures: ReadonlyArray<Exposure>) => Effect.Effect<Recorded, SqlError, Tenant>
    /**
     * Records facts of units, exposed or not. Facts of a source that no metric uses are left out, and those that are older
     * than facts are kept, or more than 24 hours ahead of the clock.
     */
    readonly record: (facts: ReadonlyArray<Fact>) => Effect.Effect<Recorded, SqlError, Tenant>
    /** Records facts together with refunds and deletions of orders. */
    readonly recordShop: (shop: ShopFacts) => Effect.Effect<Recorded, SqlError, Tenant>
    /** Merges what waits, of all tenants. A tenant's failure is logged and does not stop the others. */
    readonly mergeDue: Effect.Effect<number, SqlError, AllTenants>
    /** Deletes keys of facts that are no longer kept, of all tenants, at most 100,000 per call. */
    readonly prune: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/experiments/ExperimentUnits") {
  static readonly layer: Layer.Layer<ExperimentUnits, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ExperimentUnits,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const factsKeepDays = yield* Settings.factsKeepDays.config
      const accounting = Accounting.make(sql)
      const factStatements = FactStatements.make(sql)
      const moments = Moments.make(sql)
      const retention = Retention.make(sql)

      /** Locks units that were written, and brings them into the moments. */
      const account = Effect.fnUntraced(function* (
        tenantId: string,
        touched: ReadonlyArray<Accounting.UnitKey>
      ) {
        if (touched.length === 0) return
        const kinds = touched.map(({ unitKind }) => unitKind)
        const units = touched.map(({ unit }) => unit)
        yield* accounting.lockUnits(tenantId, kinds, units)
        yield* accounting.account(tenantId, kinds, units)
      })

      const definitions = Effect.fnUntraced(function* (tenantId: string, keys: ReadonlyArray<string>) {
        const rows = yield* sql<{
          readonly experimentId: string
          readonly key: string
          readonly unitKind: string
          readonly startedAt: Date | null
          readonly stoppedAt: Date | null
          readonly variants: ReadonlyArray<string>
          readonly phases: ReadonlyArray<string | null>
        }>`
          SELECT e.experiment_id::text AS "experimentId", e.key, e.unit_kind AS "unitKind",
                 e.started_at AS "startedAt", e.stopped_at AS "stoppedAt",
                 (SELECT jsonb_agg(v.key ORDER BY v.position)
                    FROM hm_experiment_variant v
                   WHERE v.tenant_id = e.tenant_id AND v.experiment_id = e.experiment_id) AS variants,
                 (SELECT jsonb_agg(p.started_at ORDER BY p.phase)
                    FROM hm_experiment_phase p
                   WHERE p.tenant_id = e.tenant_id AND p.experiment_id = e.experiment_id) AS phases
            FROM hm_experiment e
           WHERE e.tenant_id = ${tenantId} AND e.key = ANY (${keys}::text[])
        `
        return new Map(
          rows.map((row) => [
            row.key,
            {
              ...row,
              phaseStarts: row.phases.map((at) => (at === null ? Infinity : new Date(at).getTime()))
            }
          ])
        )
      })

      const expose = Effect.fn("ExperimentUnits.expose")(function* (exposures: ReadonlyArray<Exposure>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const experiments = yield* definitions(
            tenant.id,
            Array.from(new Set(exposures.map(({ experiment }) => experiment)))
          )
          const rejected: Array<{ readonly index: number; readonly reason: Reason }> = []
          const valid = exposures.flatMap((exposure, index) => {
            const experiment = experiments.get(exposure.experiment)
            const reject = (reason: Reason) => {
              rejected.push({ index, reason })
              return []
            }
            if (experiment === undefined) return reject("unknown-experiment")
            const variant = experiment.variants.indexOf(exposure.variant)
            if (variant < 0) return reject("unknown-variant")
            if (exposure.at !== undefined && isTooFarAhead(exposure.at, now)) return reject("too-far-ahead")
            const at = exposure.at === undefined ? now : DateTime.toDateUtc(exposure.at)
            if (experiment.startedAt === null || at < experiment.startedAt) return reject("not-started")
            if (experiment.stoppedAt !== null && at >= experiment.stoppedAt) return reject("stopped")
            const later = experiment.phaseStarts.findIndex((start) => start > at.getTime())
            return [
              {
                experimentId: experiment.experimentId,
                unitKind: experiment.unitKind,
                unit: exposure.unit,
                variant,
                phase: later < 0 ? experiment.phaseStarts.length : Math.max(1, later),
                at: at.toISOString()
              }
            ]
          })
          if (valid.length === 0) return new Recorded({ accepted: 0, repeated: 0, rejected })
          const kinds = valid.map(({ unitKind }) => unitKind)
          const units = valid.map(({ unit }) => unit)
          yield* accounting.lockUnits(tenant.id, kinds, units)
          const touched = yield* accounting.writeExposures(tenant.id, {
            experimentIds: valid.map(({ experimentId }) => experimentId),
            unitKinds: kinds,
            units,
            variants: valid.map(({ variant }) => variant),
            phases: valid.map(({ phase }) => phase),
            ats: valid.map(({ at }) => at)
          })
          if (touched.length > 0) {
            yield* accounting.account(
              tenant.id,
              touched.map(({ unitKind }) => unitKind),
              touched.map(({ unit }) => unit)
            )
          }
          return new Recorded({ accepted: touched.length, repeated: valid.length - touched.length, rejected })
        })
        return yield* transactionOf(sql)(write)
      })

      /** The sources of the tenant's metrics: a fact of another source is of no use to any. */
      const usedSources = Effect.fnUntraced(function* (tenantId: string) {
        const rows = yield* sql<{ readonly source: string }>`
          SELECT DISTINCT unnest(ARRAY[source, denominator_source]) AS source
            FROM hm_experiment_metric
           WHERE tenant_id = ${tenantId}
        `
        return new Set(rows.map(({ source }) => source))
      })

      const recordShop = Effect.fn("ExperimentUnits.recordShop")(function* (shop: ShopFacts) {
        const { deletions, facts, refunds } = shop
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const sources = yield* usedSources(tenant.id)
          const [needed] = yield* retention.oldestNeeded(tenant.id, factsKeepDays, now)
          const oldest = needed?.oldest.getTime() ?? 0
          const rejected: Array<{ readonly index: number; readonly reason: Reason }> = []
          const newest = new Map<string, Row>()
          let repeated = 0
          const keep = (row: Row) => {
            const place = JSON.stringify([row.source, row.factId])
            const existing = newest.get(place)
            if (existing === undefined || existing.version < row.version) newest.set(place, row)
            if (existing !== undefined) repeated++
          }
          for (const [index, fact] of facts.entries()) {
            if (!sources.has(fact.source)) rejected.push({ index, reason: "unused-source" })
            else if (fact.at.epochMilliseconds < oldest) rejected.push({ index, reason: "too-old" })
            else if (isTooFarAhead(fact.at, now)) rejected.push({ index, reason: "too-far-ahead" })
            else keep(rowOf(fact))
          }
          const hasOrders = sources.has(FactStatements.orderSource)
          const lastRefunds = new Map<string, Refund>()
          if (hasOrders) {
            for (const deletion of deletions) keep(deletedRow(deletion, now))
            for (const refund of refunds) {
              const place = JSON.stringify([refund.orderId, refund.refundId])
              const existing = lastRefunds.get(place)
              if (existing === undefined || existing.version < refund.version) lastRefunds.set(place, refund)
            }
          }
          const kept = Array.from(newest.values())
          const given = Array.from(lastRefunds.values())
          if (kept.length + given.length === 0) return new Recorded({ accepted: 0, repeated, rejected })
          const keySources = [
            ...kept.map(({ source }) => source),
            ...given.map(() => FactStatements.orderSource)
          ]
          const keyIds = [...kept.map(({ factId }) => factId), ...given.map(({ orderId }) => orderId)]
          yield* factStatements.lockKeys(tenant.id, keySources, keyIds, now)
          yield* factStatements.holdKeys(tenant.id, keySources, keyIds)
          const touched: Array<Accounting.UnitKey> = []
          if (given.length > 0) {
            yield* factStatements.writeRefunds(tenant.id, {
              orderIds: given.map(({ orderId }) => orderId),
              refundIds: given.map(({ refundId }) => refundId),
              versions: given.map(({ version }) => String(version)),
              amounts: given.map(({ amount }) => String(amount))
            })
            touched.push(
              ...(yield* factStatements.applyRefunds(
                tenant.id,
                given.map(({ orderId }) => orderId)
              ))
            )
          }
          let accepted = 0
          if (kept.length > 0) {
            const written = yield* factStatements.writeFacts(tenant.id, {
              sources: kept.map(({ source }) => source),
              factIds: kept.map(({ factId }) => factId),
              versions: kept.map(({ version }) => String(version)),
              unitKinds: kept.map(({ unitKind }) => unitKind),
              units: kept.map(({ unit }) => unit),
              ats: kept.map(({ at }) => at),
              quantities: kept.map(({ quantity }) => quantity),
              values: kept.map(({ value }) => String(value)),
              currencies: kept.map(({ currency }) => currency)
            })
            accepted = written.reduce((sum, { written: count }) => sum + count, 0)
            touched.push(
              ...written.flatMap(({ unit, unitKind }) =>
                unit === null || unitKind === null ? [] : [{ unit, unitKind }]
              )
            )
          }
          yield* account(tenant.id, touched)
          return new Recorded({ accepted, repeated: repeated + kept.length - accepted, rejected })
        })
        return yield* transactionOf(sql)(write)
      })

      const mergeDue = Effect.gen(function* () {
        yield* AllTenants
        const tenants = yield* sql<{ readonly tenantId: string }>`
          WITH RECURSIVE waiting AS (
            (
            SELECT tenant_id
              FROM hm_experiment_delta
             ORDER BY tenant_id
             LIMIT 1
            )
            UNION ALL
            SELECT (
                   SELECT d.tenant_id
                     FROM hm_experiment_delta d
                    WHERE d.tenant_id > w.tenant_id
                    ORDER BY d.tenant_id
                    LIMIT 1
                   )
              FROM waiting w
             WHERE w.tenant_id IS NOT NULL
          )
          SELECT tenant_id AS "tenantId"
            FROM waiting
           WHERE tenant_id IS NOT NULL
           ORDER BY random()
           LIMIT ${tenantsMax}
        `
        const round = yield* EachTenant.run({
          loop: "experiments.moment.merge",
          items: tenants,
          limit: mergeRoundLimit,
          turn: ({ tenantId }) =>
            Effect.map(transactionOf(sql)(moments.merge(tenantId, mergeRowsMax)), ([row]) => {
              const count = row?.merged ?? 0
              return { count, hasMore: count >= mergeRowsMax }
            })
        })
        return round.count
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("ExperimentUnits.mergeDue"))

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const [needed] = yield* retention.oldestNeeded(undefined, factsKeepDays, now)
        if (needed === undefined) return 0
        let pruned = 0
        for (let round = 0; round < prunesMax; round++) {
          const [row] = yield* retention.prune(needed.oldest)
          pruned += row?.pruned ?? 0
          if ((row?.pruned ?? 0) < retention.pruneMax) break
        }
        return pruned
      }).pipe(Effect.withSpan("ExperimentUnits.prune"))

      return ExperimentUnits.of({
        prune,
        expose,
        record: Effect.fn("ExperimentUnits.record")(function* (facts: ReadonlyArray<Fact>) {
          return yield* recordShop({ facts, refunds: [], deletions: [] })
        }),
        recordShop,
        mergeDue
      })
    })
  )
}
