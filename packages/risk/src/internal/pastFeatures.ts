/**
 * The features of a version for decisions of the past: those that a decision froze, and others recomputed as of its time. A decision
 * whose features can no longer be known is left out of every figure.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Feature } from "../Feature.ts"
import type { SignalKind } from "../FraudSignal.ts"
import type { BacktestReport } from "../RiskReport.ts"
import * as Recomputing from "./recomputing.ts"
import * as Engine from "./ruleEngine.ts"
import * as Rows from "./ruleSetRow.ts"
import * as Signals from "./signalStatements.ts"
import { windowKeepDays } from "./upkeep.ts"

const hourMillis = 3_600_000
const keepHours = windowKeepDays * 24

/** A decision with its signal, as far as that is kept. */
export interface DecisionRow {
  readonly decisionId: string
  readonly signalId: string
  readonly occurredAt: Date
  readonly recordedAt: Date
  readonly version: number | null
  /** A JSON array of the versions in shadow. */
  readonly shadow: string
  /** JSON of the signal's entities; null once the signal is no longer kept. */
  readonly entities: string | null
}

interface Decision<Row> {
  readonly row: Row
  readonly frozen: Engine.Frozen
}

/** Returns the hash of the first card. */
export const cardOf = (entities: string): string | undefined =>
  Signals.decodeEntities(JSON.parse(entities))
    .find(({ kind }) => kind === "card")
    ?.hash.toString()

/** An average without amounts is frozen as no value: whether it was read, the versions that decided tell. */
const isAbsent = (feature: Feature, { features }: Engine.Frozen): boolean =>
  !Object.hasOwn(features, feature.name)

export const make = (
  sql: SqlClient.SqlClient,
  rows: ReturnType<typeof Rows.make>,
  tenantId: string,
  set: Engine.CompiledSet,
  now: Date
) => {
  const recomputing = Recomputing.make(sql)
  const oldest = now.getTime() - keepHours * hourMillis
  const deciding = new Map<number, Engine.CompiledSet>()
  const recomputed = new Map<string, { decisions: number; nearbySignals: number }>()
  let recomputedDecisions = 0
  let leftOut = 0

  /** The names of the features that were read for a decision. */
  const readNames = Effect.fnUntraced(function* (row: DecisionRow, kind: SignalKind) {
    const versions: ReadonlyArray<number> = [
      ...(row.version === null ? [] : [row.version]),
      ...JSON.parse(row.shadow)
    ]
    const unknown = versions.filter((version) => !deciding.has(version))
    for (const found of unknown.length === 0 ? [] : yield* rows.sets(tenantId, unknown)) {
      deciding.set(found.version, Rows.compiledOf(found))
    }
    return new Set(
      versions.flatMap((version) => Engine.featuresOf(deciding.get(version), kind)).map(({ name }) => name)
    )
  })

  const missingOf = Effect.fnUntraced(function* (row: DecisionRow, frozen: Engine.Frozen) {
    const absent = Engine.featuresOf(set, frozen.kind).filter((feature) => isAbsent(feature, frozen))
    if (absent.length === 0) return absent
    const names = yield* readNames(row, frozen.kind)
    return absent.filter(({ name }) => !names.has(name))
  })

  /** Returns the decisions with all features that the version reads, without those whose signals are no longer kept. */
  const complete = Effect.fnUntraced(function* <Row extends DecisionRow>(
    decisions: ReadonlyArray<Decision<Row>>
  ): Effect.fn.Return<ReadonlyArray<Decision<Row>>, SqlError> {
    const kept: Array<Decision<Row>> = []
    const asked: Array<{ readonly place: number; readonly asked: Recomputing.Asked }> = []
    for (const decision of decisions) {
      const { frozen, row } = decision
      const features = yield* missingOf(row, frozen)
      if (features.length === 0) {
        kept.push(decision)
        continue
      }
      const begin = row.occurredAt.getTime() - Recomputing.hoursOf(features) * hourMillis
      if (row.entities === null || begin < oldest) {
        leftOut++
        continue
      }
      asked.push({
        place: kept.length,
        asked: {
          signalId: row.signalId,
          at: row.occurredAt,
          decidedAt: row.recordedAt,
          currency: frozen.currency ?? undefined,
          entities: Signals.decodeEntities(JSON.parse(row.entities)),
          features
        }
      })
      kept.push(decision)
    }
    const read = yield* recomputing.read(
      tenantId,
      asked.map((each) => each.asked)
    )
    for (const [index, { nearby, values }] of read.entries()) {
      const place = asked[index]?.place ?? 0
      const decision = kept[place]
      if (decision === undefined) continue
      recomputedDecisions++
      for (const [name, signals] of Object.entries(nearby)) {
        const sum = recomputed.get(name) ?? { decisions: 0, nearbySignals: 0 }
        recomputed.set(name, {
          decisions: sum.decisions + 1,
          nearbySignals: sum.nearbySignals + signals
        })
      }
      kept[place] = {
        ...decision,
        frozen: { ...decision.frozen, features: { ...decision.frozen.features, ...values } }
      }
    }
    return kept
  })

  const report = (): Pick<BacktestReport, "leftOut" | "recomputedDecisions" | "recomputedFeatures"> => ({
    leftOut,
    recomputedDecisions,
    recomputedFeatures: Array.from(recomputed, ([feature, sums]) => ({ feature, ...sums })).toSorted(
      (left, right) => (left.feature < right.feature ? -1 : 1)
    )
  })

  return { complete, report }
}
