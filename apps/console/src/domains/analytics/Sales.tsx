import { useQuery } from "@tanstack/react-query"
import { X } from "lucide-react"
import { useAddress } from "../../ui/address.ts"
import { cx, date, day, daysBetween, moneyShort, percent, shiftDay, compact } from "../../ui/Format.ts"
import { LazyChart } from "../../ui/LazyChart.tsx"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { nowMillis } from "../../ui/clock.ts"
import { Breakdown } from "./Breakdown.tsx"
import { SalesExact } from "./SalesExact.tsx"
import {
  catalogue,
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
import { comparedWith, granularityOf } from "./Period.ts"
import {
  dimensions,
  filtersOf,
  narrowed,
  readAddress,
  type SalesAddress,
  splitFilter,
  type Tab,
  tabs
} from "./salesAddress.ts"
import { useMemo } from "react"

type Change = (next: Readonly<Record<string, unknown>>) => void

const presets = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "1 year" },
  { value: "1461", label: "4 years" }
] as const

const comparisonLabels = [
  { value: "before", label: "Period before" },
  { value: "year", label: "Year before" },
  { value: "none", label: "Nothing" }
] as const

/** Returns, per measure, the dimension that is narrowed and over which it does not add up. */
const useRefusals = (filters: ReadonlyArray<string>) => {
  const read = useQuery(catalogue)
  return (measure: Measure, over: ReadonlyArray<string> = narrowed(filters)): string | undefined => {
    const refused = read.data?.measures.find(({ name }) => name === measure)?.notOver ?? []
    const found = dimensions.find(({ value }) => over.includes(value) && refused.includes(value))
    return found === undefined ? undefined : `does not add up over ${found.label.toLowerCase()}`
  }
}

const valueFormat = (measure: Measure, currency: string) =>
  measure === "orders" || measure === "units" ? compact : (value: number) => moneyShort(value, currency)

function Tile({
  before,
  isOpen,
  now,
  onOpen,
  refused,
  tab
}: {
  readonly tab: Tab
  readonly isOpen: boolean
  readonly onOpen: () => void
  readonly now: Row | undefined
  readonly before: Row | undefined
  readonly refused: string | undefined
}) {
  const change = changeOf(now?.[tab.measure], before?.[tab.measure])
  return (
    <button
      type="button"
      aria-pressed={isOpen}
      disabled={refused !== undefined}
      onClick={onOpen}
      className={cx("relative px-4 py-3 text-left", refused === undefined && "hover:bg-hover")}
    >
      <span className="text-soft block text-xs">{tab.label}</span>
      {refused === undefined ? (
        <span className="num flex flex-wrap items-baseline gap-x-2 text-xl font-semibold tracking-tight">
          {shown(now?.[tab.measure])}
          {change === undefined ? null : (
            <span
              className={cx(
                "text-xs font-medium",
                tab.better === "neither" ? "text-soft" : change >= 0 ? "text-good" : "text-bad"
              )}
            >
              {change >= 0 ? "+" : ""}
              {percent(change)}
            </span>
          )}
        </span>
      ) : (
        <span className="text-soft block text-xs leading-7">{refused}</span>
      )}
      {isOpen ? <span className="bg-accent absolute inset-x-0 -bottom-px h-0.5" aria-hidden /> : null}
    </button>
  )
}

const secondsOf = (time: unknown): number => Date.parse(`${String(time).slice(0, 10)}T00:00:00Z`) / 1_000

function Over({
  address,
  before,
  change,
  currency,
  rows
}: {
  readonly address: SalesAddress
  readonly rows: ReadonlyArray<Row>
  readonly before: ReadonlyArray<Row>
  readonly currency: string
  readonly change: Change
}) {
  const { measure, period } = address
  const granularity = granularityOf(period)
  const xs = useMemo(() => rows.map((row) => secondsOf(row["time"])), [rows])
  const series = useMemo(
    () => [
      ...(before.length === 0
        ? []
        : [
            {
              label: "Compared with",
              values: rows.map((_, index) => sizeOf(before[index]?.[measure])),
              color: "faint" as const,
              shape: "dotted" as const
            }
          ]),
      {
        label: "This period",
        values: rows.map((row) => sizeOf(row[measure])),
        color: "accent" as const,
        shape: "area" as const
      }
    ],
    [rows, before, measure]
  )
  const format = valueFormat(measure, currency)
  const total = rows.reduce((sum, row) => sum + sizeOf(row[measure]), 0)
  const label = tabs.find((tab) => tab.measure === measure)?.label ?? measure
  return (
    <LazyChart
      label={`${label} by ${granularity}`}
      summary={`${rows.length} ${granularity}s, ${format(total)} together.`}
      xs={xs}
      series={series}
      height={250}
      format={format}
      formatX={(seconds) => date(new Date(seconds * 1_000).toISOString())}
      {...(granularity === "day"
        ? {
            onPick: (seconds: number) => {
              const picked = day(seconds * 1_000)
              change({ from: picked, until: shiftDay(picked, 1) })
            }
          }
        : {})}
    />
  )
}

const isPreset = (value: string): value is (typeof presets)[number]["value"] =>
  presets.some((preset) => preset.value === value)

function Controls({ address, change }: { readonly address: SalesAddress; readonly change: Change }) {
  const { from, until } = address.period
  const days = String(daysBetween(from, until))
  return (
    <>
      <Segments
        label="Period"
        value={isPreset(days) ? days : undefined}
        options={presets}
        onChange={(value) => change({ from: shiftDay(until, -Number(value)), until })}
      />
      <label className="text-soft flex items-center gap-1.5 text-xs">
        From
        <input
          type="date"
          className="field num"
          value={from}
          max={shiftDay(until, -1)}
          onChange={(event) => {
            if (event.target.value !== "") change({ from: event.target.value, until })
          }}
        />
      </label>
      <label className="text-soft flex items-center gap-1.5 text-xs">
        to
        <input
          type="date"
          className="field num"
          value={shiftDay(until, -1)}
          min={from}
          onChange={(event) => {
            if (event.target.value !== "") change({ from, until: shiftDay(event.target.value, 1) })
          }}
        />
      </label>
    </>
  )
}

function Loaded({ last }: { readonly last: string }) {
  const [raw, change] = useAddress()
  const address = readAddress(raw, last)
  const { asOf, by, comparison, filters, period } = address
  const refusalOf = useRefusals(filters)
  const open = tabs.filter(({ measure }) => refusalOf(measure) === undefined)
  const measure = open.some((tab) => tab.measure === address.measure) ? address.measure : "net"
  const compared = comparedWith(period, comparison)
  const question = {
    measures: open.map((tab) => tab.measure),
    dimensions: ["currency" as const],
    filters: filtersOf(filters),
    ...(asOf === undefined ? {} : { asOf }),
    ...(compared === undefined || asOf !== undefined ? {} : { compareWith: compared })
  }
  const total = useQuery(sales({ ...question, timeDimension: period }))
  const time = useQuery(
    sales({ ...question, timeDimension: { ...period, granularity: granularityOf(period) }, fill: true })
  )
  const currencies = [...new Set((total.data?.rows ?? []).flatMap((row) => currencyOf(row) ?? []))]
  const currency = currencies.includes(address.currency ?? "") ? address.currency : currencies[0]
  const timeRows = useMemo(() => ofCurrency(time.data?.rows ?? [], currency), [time.data, currency])
  const timeBefore = useMemo(
    () => ofCurrency(time.data?.comparison?.rows ?? [], currency),
    [time.data, currency]
  )
  const now = ofCurrency(total.data?.rows ?? [], currency)[0]
  const before = ofCurrency(total.data?.comparison?.rows ?? [], currency)[0]
  const error = total.error ?? time.error
  return (
    <Page
      name="Sales"
      lead={
        <>
          {date(period.from)} to {date(shiftDay(period.until, -1))}
          {compared === undefined || asOf !== undefined
            ? ""
            : `, compared with ${date(compared.from)} to ${date(shiftDay(compared.until, -1))}`}
        </>
      }
      actions={
        <>
          <Controls address={address} change={change} />
          {total.data === undefined ? null : (
            <SalesExact
              origin={asOf === undefined ? total.data : { ...total.data, closedAt: textOfClose(raw) }}
            />
          )}
        </>
      }
    >
      <div className="mb-3 flex flex-wrap items-center gap-2">
        {filters.map((filter) => {
          const [name, value] = splitFilter(filter)
          return (
            <button
              key={filter}
              type="button"
              className="chip bg-accent-soft text-accent-ink h-7 px-2"
              aria-label={`Remove the filter ${name} ${value}`}
              onClick={() => change({ filter: filters.filter((existing) => existing !== filter) })}
            >
              <span className="font-normal">{name}</span> {value}
              <X size={12} aria-hidden />
            </button>
          )
        })}
        {asOf === undefined ? null : (
          <button
            type="button"
            className="chip bg-warn-soft text-warn h-7 px-2"
            onClick={() => change({ asOf: undefined, closedAt: undefined })}
          >
            As the close reported
            <X size={12} aria-hidden />
          </button>
        )}
        <span className="ml-auto flex flex-wrap items-center gap-2">
          {currencies.length < 2 ? null : (
            <Segments
              label="Currency"
              value={currency}
              options={currencies.map((value) => ({ value, label: value }))}
              onChange={(value) => change({ currency: value })}
            />
          )}
          {asOf === undefined ? (
            <Segments
              label="Compare with"
              value={comparison}
              options={comparisonLabels}
              onChange={(value) => change({ compare: value })}
            />
          ) : null}
        </span>
      </div>
      {error !== null ? (
        <Failure
          error={error}
          retry={() => {
            void total.refetch()
            void time.refetch()
          }}
        />
      ) : total.data === undefined || time.data === undefined ? (
        <Skeleton rows={9} />
      ) : currency === undefined ? (
        <Empty title="Nothing was sold in this time">
          No order of these days has reached the API
          {filters.length === 0 ? "" : ", or none that fits the filters"}.
        </Empty>
      ) : (
        <>
          <div className="card">
            <div
              className="border-line divide-line grid grid-cols-2 divide-x border-b md:grid-cols-5"
              role="group"
              aria-label="Measure"
            >
              {tabs.map((tab) => (
                <Tile
                  key={tab.measure}
                  tab={tab}
                  isOpen={tab.measure === measure}
                  onOpen={() => change({ measure: tab.measure })}
                  now={now}
                  before={before}
                  refused={refusalOf(tab.measure)}
                />
              ))}
            </div>
            <div className="p-4 pb-2">
              <Over
                address={{ ...address, measure }}
                rows={timeRows}
                before={timeBefore}
                currency={currency}
                change={change}
              />
            </div>
          </div>
          <Breakdown
            address={address}
            by={by}
            measure={refusalOf(measure, [by]) === undefined ? measure : "net"}
            currency={currency}
            total={now}
            change={change}
          />
        </>
      )}
    </Page>
  )
}

const textOfClose = (raw: Readonly<Record<string, unknown>>): string =>
  typeof raw["closedAt"] === "string" ? raw["closedAt"] : new Date(nowMillis()).toISOString()

/** Measures over time, and by one dimension at a time. */
export default function Sales() {
  const last = useQuery(lastDay)
  if (last.isError) {
    return (
      <Page name="Sales">
        <Failure error={last.error} retry={() => void last.refetch()} />
      </Page>
    )
  }
  if (last.data === undefined) {
    return (
      <Page name="Sales">
        <Skeleton rows={9} />
      </Page>
    )
  }
  return <Loaded last={last.data ?? day(nowMillis())} />
}
