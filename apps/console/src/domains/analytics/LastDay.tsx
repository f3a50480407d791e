import { useQuery } from "@tanstack/react-query"
import { nowMillis } from "../../ui/clock.ts"
import { cx, day, dayMillis, percent, shiftDay, weekday } from "../../ui/Format.ts"
import { Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Spark } from "../../ui/Spark.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { SalesExact } from "./SalesExact.tsx"
import {
  changeOf,
  currencyOf,
  lastDay,
  type Measure,
  ofCurrency,
  type Row,
  sales,
  shown,
  sizeOf
} from "./data.ts"

const days = 28
const weekDays = 7

interface Figure {
  readonly measure: Measure
  readonly label: string
  /** A figure of which more is neither good nor bad has no colour. */
  readonly better: "more" | "neither"
}

const figures: ReadonlyArray<Figure> = [
  { measure: "net", label: "Net revenue", better: "more" },
  { measure: "orders", label: "Orders", better: "more" },
  { measure: "units", label: "Units", better: "more" },
  { measure: "refundAmount", label: "Refunded", better: "neither" }
]

function Tile({
  date,
  figure,
  rows
}: {
  readonly figure: Figure
  readonly rows: ReadonlyArray<Row>
  readonly date: string
}) {
  const { better, label, measure } = figure
  const values = rows.map((row) => row[measure])
  const change = changeOf(values.at(-1), values.at(-1 - weekDays))
  return (
    <PageLink
      to="/sales"
      search={{ from: shiftDay(date, 1 - days), until: shiftDay(date, 1), measure }}
      className="hover:bg-hover block px-4 py-3.5"
    >
      <span className="text-soft block text-xs">{label}</span>
      <span className="num mt-0.5 flex items-baseline gap-2 text-xl font-semibold tracking-tight">
        {shown(values.at(-1))}
        {change === undefined ? null : (
          <span
            className={cx(
              "text-xs font-medium",
              better === "neither" ? "text-soft" : change >= 0 ? "text-good" : "text-bad"
            )}
          >
            {change >= 0 ? "+" : ""}
            {percent(change)}
          </span>
        )}
      </span>
      <span className="mt-2 block">
        <Spark values={values.map(sizeOf)} label={`${label} of ${days} days`} />
      </span>
    </PageLink>
  )
}

function Figures({ date }: { readonly date: string }) {
  const trend = useQuery(
    sales({
      measures: figures.map(({ measure }) => measure),
      dimensions: ["currency"],
      timeDimension: { from: shiftDay(date, 1 - days), until: shiftDay(date, 1), granularity: "day" },
      fill: true
    })
  )
  const isYesterday = date === day(nowMillis() - dayMillis)
  const title = isYesterday ? "Yesterday" : "Last day with sales"
  const rows = trend.data?.rows ?? []
  const currencies = [...new Set(rows.map(currencyOf))]
  return (
    <Section
      title={title}
      note={`${weekday(date)}, against ${weekday(shiftDay(date, -weekDays)).split(" ")[0] ?? ""} a week before`}
      side={trend.data === undefined ? null : <SalesExact origin={trend.data} />}
    >
      {trend.isError ? (
        <Failure error={trend.error} retry={() => void trend.refetch()} />
      ) : trend.data === undefined ? (
        <Skeleton rows={3} />
      ) : (
        currencies.map((currency) => (
          <div key={currency} className="card divide-line mb-3 grid grid-cols-2 divide-x xl:grid-cols-4">
            {figures.map((figure) => (
              <Tile key={figure.measure} figure={figure} rows={ofCurrency(rows, currency)} date={date} />
            ))}
          </div>
        ))
      )}
    </Section>
  )
}

/** The figures of yesterday, or of the last day that has some, with the four weeks before it. */
export function LastDay() {
  const last = useQuery(lastDay)
  if (last.isError) {
    return (
      <Section title="Yesterday">
        <Failure error={last.error} retry={() => void last.refetch()} />
      </Section>
    )
  }
  if (last.data === undefined) {
    return (
      <Section title="Yesterday">
        <Skeleton rows={3} />
      </Section>
    )
  }
  if (last.data === null) {
    return (
      <Section title="Yesterday">
        <Empty title="No order has arrived yet">
          Publish <code className="font-mono text-xs">com.hypermarket.shop.order.placed.v1</code> to{" "}
          <code className="font-mono text-xs">POST /v1/events</code>, or send facts to{" "}
          <code className="font-mono text-xs">POST /v1/analytics/facts</code>.
        </Empty>
      </Section>
    )
  }
  return <Figures date={last.data} />
}
