/**
 * Rows of a statement as rows of an answer. Pure.
 */
import * as Money from "@hypermarket/core/Money"
import * as Catalogue from "../Catalogue.ts"
import type { SalesAnswer, Value } from "../SalesQuery.ts"
import { isPerCurrency } from "./salesFilters.ts"
import { customerParts, type Planned } from "./salesPlan.ts"
import type { Answers, Row } from "./salesStatements.ts"

type AnswerRow = Readonly<Record<string, Value>>

/** Values of one measure by currency. */
type ByCurrency = ReadonlyMap<string, unknown>

const byCurrencyOf = (value: unknown): ByCurrency =>
  new Map(typeof value === "object" && value !== null ? Object.entries(value) : [])

export const toRows = (planned: Planned, rows: ReadonlyArray<Row>): ReadonlyArray<AnswerRow> => {
  if (!planned.isByCurrency) return rows.map((row) => toRow(planned, row))
  const money = planned.measures.filter(isPerCurrency)
  const currencies = new Set(
    rows.flatMap((row) => money.flatMap((name) => Array.from(byCurrencyOf(row[name]).keys())))
  )
  const sorted = Array.from(currencies).toSorted()
  return rows.map((row) => toRow(planned, row, sorted))
}

const toRow = (planned: Planned, row: Row, currencies: ReadonlyArray<string> = []): AnswerRow => {
  const values: Record<string, Value> = {}
  if (planned.granularity !== undefined) values["time"] = textOf(row["time"])
  for (const dimension of planned.dimensions) values[dimension] = textOf(row[dimension])
  const currency = planned.currency ?? textOf(row["currency"])
  for (const name of planned.measures) {
    if (planned.isByCurrency && isPerCurrency(name)) {
      const byCurrency = byCurrencyOf(row[name])
      for (const each of currencies) values[`${name}.${each}`] = measureOf(name, byCurrency.get(each), each)
    } else {
      values[name] = estimated(planned, name, measureOf(name, row[name], currency))
    }
  }
  return values
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

/** Unchecked: the tables have checked the values, and decoding thousands of cells takes a third of the answer's time. */
const moneyOf = (amount: bigint, currency: string): Money.Money =>
  new Money.Money(
    { amount, currency: Money.Currency.make(currency, { disableChecks: true }) },
    { disableChecks: true }
  )

const measureOf = (name: Catalogue.MeasureName, value: unknown, currency: string): Value => {
  if (value === null) return null
  const { of: parts, unit } = Catalogue.measureOf(name)
  // A filled row has no sums: each is 0, and a quotient of them has no value.
  if (value === undefined) {
    return parts.includes("orders") && parts.length > 1
      ? null
      : unit === "money"
        ? moneyOf(0n, currency)
        : unit === "count"
          ? 0
          : null
  }
  if (unit === "money") {
    return moneyOf(typeof value === "bigint" ? value : BigInt(String(value)), currency)
  }
  return Number(value)
}

const shareOf = ({ sampledParts = customerParts }: Planned): number => sampledParts / customerParts

const estimated = (planned: Planned, name: Catalogue.MeasureName, value: Value): Value =>
  planned.sampledParts !== undefined && Catalogue.measureOf(name).isDistinct && typeof value === "number"
    ? Math.round(value / shareOf(planned))
    : value

/**
 * A customer is in a part of all customers by a hash: of N customers, each is read with the probability of the share p. The
 * standard error of the estimate, relative to N, is the square root of (1 - p) / (p N), and p N is what was counted.
 */
const errorOf = (planned: Planned, rows: ReadonlyArray<Row>): number => {
  const counted = rows.map((row) =>
    Math.max(1, Number(row["customers"] ?? row["newCustomers"] ?? row["returningCustomers"]))
  )
  return rows.length === 0 ? 0 : Math.sqrt((1 - shareOf(planned)) / Math.min(...counted))
}

/** The error of an estimate, of both periods. */
export const estimateOf = (
  planned: Planned,
  compared: Planned | undefined,
  answers: Answers
): Pick<SalesAnswer, "estimate"> | Record<string, never> => {
  const sampled = [
    ...(planned.sampledParts === undefined ? [] : [{ planned, rows: answers.rows }]),
    ...(compared?.sampledParts === undefined ? [] : [{ planned: compared, rows: answers.compared }])
  ]
  if (sampled.length === 0) return {}
  return {
    estimate: {
      share: Math.min(...sampled.map((part) => shareOf(part.planned))),
      relativeError: Math.max(...sampled.map((part) => errorOf(part.planned, part.rows)))
    }
  }
}
