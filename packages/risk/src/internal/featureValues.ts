/** Works out the values of velocity features from the rows that `velocity.ts` reads. */
import { type Aggregate, type Distinct, type Feature, type Values, windows } from "../Feature.ts"
import type { EntityKind } from "../FraudSignal.ts"
import * as Entity from "./entity.ts"

/** Distinct counts stop here: beyond it the number says nothing more. A decision names those that did. */
export const distinctMax = 10_000

/** Counts and sums of an entity, one per window: of rows by themselves, or of rows in hourly sums. */
export interface Cell {
  readonly item: number
  readonly entity: bigint | string
  readonly kind: string
  readonly result: string
  readonly currency: string
  readonly isFolded: boolean
  readonly counts: ReadonlyArray<number | string>
  readonly sums: ReadonlyArray<number | string | null>
}

export interface DistinctRow {
  readonly item: number
  readonly entity: bigint | string
  readonly other: number
  readonly counts: ReadonlyArray<number | string>
}

interface Signal {
  readonly currency: string | undefined
  readonly entities: ReadonlyArray<Entity.HashedEntity>
  readonly features: ReadonlyArray<Feature>
}

const hashesOf = (signal: Signal, kind: EntityKind): ReadonlyArray<string> =>
  signal.entities.filter((entity) => entity.kind === kind).map(({ hash }) => String(hash))

/** Returns the entities that have too many rows by themselves. */
export const hotOf = (rows: ReadonlyArray<Cell>, hotEvents: number): ReadonlyArray<bigint> => {
  const single = new Map<string, number>()
  for (const row of rows) {
    if (row.isFolded) continue
    const entity = String(row.entity)
    single.set(entity, (single.get(entity) ?? 0) + Number(row.counts.at(-1) ?? 0))
  }
  return Array.from(single)
    .filter(([, count]) => count >= hotEvents)
    .map(([entity]) => BigInt(entity))
}

interface Sums {
  readonly count: bigint
  /** Of the signal's currency. */
  readonly amounts: bigint
  readonly sum: bigint
}

const sumsOf = (rows: ReadonlyArray<Cell>, feature: Aggregate, currency: string | undefined): Sums => {
  const index = windows.indexOf(feature.window)
  let count = 0n
  let amounts = 0n
  let sum = 0n
  for (const row of rows) {
    if (feature.kind !== undefined && row.kind !== feature.kind) continue
    if (feature.result !== undefined && row.result !== feature.result) continue
    const rowCount = BigInt(row.counts[index] ?? 0)
    count += rowCount
    if (row.currency !== currency) continue
    amounts += rowCount
    sum += BigInt(row.sums[index] ?? 0)
  }
  return { count, amounts, sum }
}

const aggregateOf = (sums: Sums, { aggregate }: Aggregate): string | number | undefined => {
  if (aggregate === "count") return String(sums.count)
  if (aggregate === "sum") return String(sums.sum)
  return sums.amounts === 0n ? undefined : Number(sums.sum) / Number(sums.amounts)
}

/** Of several entities of one kind, such as sellers, the greatest value counts. */
const greatest = (values: ReadonlyArray<string | number>): string | number | undefined =>
  values.toSorted((left, right) => Number(left) - Number(right)).at(-1)

/** Of several entities of one kind the greatest count. */
const distinctOf = (signal: Signal, rows: ReadonlyArray<DistinctRow>, feature: Distinct): number => {
  const index = windows.indexOf(feature.window)
  const entities = hashesOf(signal, feature.entity)
  return rows
    .filter(
      ({ entity, other }) => other === Entity.numberOf(feature.other) && entities.includes(String(entity))
    )
    .reduce((most, { counts }) => Math.max(most, Number(counts[index] ?? 0)), 0)
}

/** Returns the names of the distinct counts that have stopped at {@link distinctMax}. */
export const cappedOf = (signal: Signal, distincts: ReadonlyArray<DistinctRow>): ReadonlyArray<string> =>
  distincts.every(({ counts }) => counts.every((count) => Number(count) <= distinctMax))
    ? []
    : signal.features.flatMap((feature) =>
        feature.aggregate === "distinct" && distinctOf(signal, distincts, feature) > distinctMax
          ? [feature.name]
          : []
      )

/** Returns the value of each feature of a signal, by its name. */
export const valuesOf = (
  signal: Signal,
  cells: ReadonlyArray<Cell>,
  distincts: ReadonlyArray<DistinctRow>
): Values => {
  const values: Record<string, string | number> = {}
  for (const feature of signal.features) {
    const value =
      feature.aggregate === "distinct"
        ? String(Math.min(distinctOf(signal, distincts, feature), distinctMax))
        : greatest(
            hashesOf(signal, feature.entity).flatMap((entity) => {
              const rows = cells.filter((row) => String(row.entity) === entity)
              const single = aggregateOf(sumsOf(rows, feature, signal.currency), feature)
              return single === undefined ? [] : [single]
            })
          )
    if (value !== undefined) values[feature.name] = value
    else if (feature.aggregate !== "average") values[feature.name] = "0"
  }
  return values
}
