import { useQuery } from "@tanstack/react-query"
import { Download } from "lucide-react"
import { DataTable } from "../../ui/DataTable.tsx"
import { percent } from "../../ui/Format.ts"
import { Section } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Bar } from "../../ui/Spark.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { type Dimension, type Measure, type Row, sales, type SalesQuestion, shown, sizeOf } from "./data.ts"
import { dimensions, filtersOf, finerOf, type SalesAddress, tabs } from "./salesAddress.ts"

/** More rows than an eye compares; the question can be narrowed. */
const rowsMax = 50

const cellOf = (value: Row[string] | undefined): string =>
  typeof value === "object" && value !== null ? value.amount : String(value ?? "")

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Returns the rows as CSV below the question that they answer. Amounts are minor units, as the API gives them. */
const csvOf = (question: SalesQuestion, rows: ReadonlyArray<Row>): string => {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  return [
    `# ${JSON.stringify(question)}`,
    names.join(","),
    ...rows.map((row) => names.map((name) => quoted(cellOf(row[name]))).join(","))
  ].join("\n")
}

const download = (text: string, name: string) => {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }))
  const anchor = document.createElement("a")
  anchor.href = address
  anchor.download = name
  anchor.click()
  URL.revokeObjectURL(address)
}

/** A measure by one dimension; a row narrows the page to its value. */
export function Breakdown({
  address,
  by,
  change,
  currency,
  measure,
  total
}: {
  readonly address: SalesAddress
  readonly by: Dimension
  readonly measure: Measure
  readonly currency: string
  readonly total: Row | undefined
  readonly change: (next: Readonly<Record<string, unknown>>) => void
}) {
  const question: SalesQuestion = {
    measures: [measure],
    dimensions: ["currency", by],
    timeDimension: address.period,
    filters: [
      ...filtersOf(address.filters),
      { dimension: "currency", operator: "equals", values: [currency] }
    ],
    order: [{ by: measure, direction: "desc" }],
    limit: rowsMax,
    ...(address.asOf === undefined ? {} : { asOf: address.asOf })
  }
  const answer = useQuery(sales(question))
  const rows = answer.data?.rows ?? []
  const largest = Math.max(1, ...rows.map((row) => sizeOf(row[measure])))
  const sum = sizeOf(total?.[measure])
  const label = dimensions.find(({ value }) => value === by)?.label ?? by
  const measureLabel = tabs.find((tab) => tab.measure === measure)?.label ?? measure
  return (
    <Section
      title="By"
      side={
        <>
          <Segments
            label="Dimension"
            value={by}
            options={dimensions}
            onChange={(value) => change({ by: value })}
          />
          <button
            type="button"
            className="btn"
            disabled={rows.length === 0}
            onClick={() => download(csvOf(question, rows), `sales-by-${by}.csv`)}
          >
            <Download size={14} aria-hidden />
            CSV
          </button>
        </>
      }
    >
      {answer.isError ? (
        <Failure error={answer.error} retry={() => void answer.refetch()} />
      ) : answer.data === undefined ? (
        <Skeleton />
      ) : rows.length === 0 ? (
        <Empty title="No rows" />
      ) : (
        <>
          <DataTable
            label={`${measureLabel} by ${label}`}
            rows={rows}
            keyOf={(row) => String(row[by])}
            placeOf={(row) => ({
              to: ".",
              search: {
                from: address.period.from,
                until: address.period.until,
                measure: address.measure,
                compare: address.comparison,
                currency: address.currency,
                asOf: address.asOf,
                filter: [
                  ...address.filters.filter((filter) => !filter.startsWith(`${by}:`)),
                  `${by}:${String(row[by])}`
                ],
                by: finerOf(by)
              }
            })}
            columns={[
              { name: "value", label, cell: (row) => <span className="font-medium">{String(row[by])}</span> },
              {
                name: "bar",
                label: "Compared",
                width: "38%",
                cell: (row) => <Bar share={sizeOf(row[measure]) / largest} />
              },
              {
                name: "amount",
                label: measureLabel,
                right: true,
                width: "150px",
                cell: (row) => shown(row[measure])
              },
              {
                name: "share",
                label: "Share",
                right: true,
                width: "90px",
                cell: (row) => (sum === 0 ? "–" : percent(sizeOf(row[measure]) / sum))
              }
            ]}
          />
          {answer.data.isComplete ? null : (
            <p className="text-soft mt-2 text-xs">The first {rowsMax}. Narrow the question to see others.</p>
          )}
        </>
      )}
    </Section>
  )
}
