/**
 * Rows of 0 for times without figures. Pure.
 */
import type { Planned } from "./salesPlan.ts"
import * as SalesTimes from "./salesTimes.ts"

/** The times of all rows. */
const timesOf = (planned: Planned): ReadonlyArray<string> =>
  planned.granularity === undefined
    ? [""]
    : SalesTimes.startsOf(planned, planned.from, planned.until).map((start) =>
        SalesTimes.labelOf(planned.granularity, start)
      )

type Row = Readonly<Record<string, unknown>>

/** The rows by time and group, with rows of the dimensions alone where one is missing. */
export const fill = (planned: Planned, rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const groups = new Map<string, Row>()
  const byPlace = new Map<string, Row>()
  const nameOf = (row: Row) => JSON.stringify(planned.dimensions.map((name) => row[name]))
  for (const row of rows) {
    groups.set(nameOf(row), Object.fromEntries(planned.dimensions.map((name) => [name, row[name]])))
    byPlace.set(`${String(row["time"] ?? "")} ${nameOf(row)}`, row)
  }
  if (groups.size === 0 && planned.dimensions.length === 0) groups.set("[]", {})
  const ordered = Array.from(groups).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return timesOf(planned).flatMap((time) =>
    ordered.map(([name, group]) => byPlace.get(`${time} ${name}`) ?? { ...group, time })
  )
}
