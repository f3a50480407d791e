/**
 * The rows of an answer as CSV.
 */
import * as Money from "@hypermarket/core/Money"
import type { SalesAnswer, Value } from "../SalesQuery.ts"
import { isPerCurrency } from "./salesFilters.ts"
import type { Planned } from "./salesPlan.ts"

/** A spreadsheet takes text that begins so for a formula. */
const formula = /^[=+\-@\t\r]/

const cellOf = (value: Value | undefined): string => {
  if (value === null || value === undefined) return ""
  if (typeof value === "string") return formula.test(value) ? `'${value}` : value
  return value instanceof Money.Money ? value.amount.toString() : String(value)
}

/** RFC 4180, section 2. */
const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

const lineOf = (cells: ReadonlyArray<string>): string => `${cells.map(quoted).join(",")}\r\n`

/** The names of all columns: of an answer without rows too. */
const namesOf = (planned: Planned, rows: SalesAnswer["rows"]): ReadonlyArray<string> => {
  const [row] = rows
  const names =
    row === undefined
      ? [
          ...(planned.granularity === undefined ? [] : ["time"]),
          ...planned.dimensions,
          ...planned.measures.filter((name) => !planned.isByCurrency || !isPerCurrency(name))
        ]
      : Object.keys(row)
  return names
}

export const encode = (planned: Planned, { rows }: SalesAnswer): string => {
  const names = namesOf(planned, rows)
  // A filter leaves one currency, which no row names.
  const currency =
    planned.currency !== undefined &&
    !planned.isByCurrency &&
    !planned.dimensions.includes("currency") &&
    planned.measures.some(isPerCurrency)
      ? [planned.currency]
      : []
  return [
    lineOf([...names, ...currency.map(() => "currency")]),
    ...rows.map((row) => lineOf([...names.map((name) => cellOf(row[name])), ...currency]))
  ].join("")
}
