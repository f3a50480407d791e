/** Figures over time on a canvas, with the same figures as a table and as CSV. */
import { useEffect, useId, useRef, useState } from "react"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { cx } from "./Format.ts"
import { useTheme } from "./theme.ts"

export interface Series {
  readonly label: string
  readonly values: ReadonlyArray<number | null>
  readonly color: "accent" | "bad" | "faint"
  readonly shape: "area" | "bars" | "dotted"
}

interface Props {
  readonly label: string
  /** A sentence about the figures, for those who do not see them. */
  readonly summary: string
  /** Seconds since 1970 of each place. */
  readonly xs: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
  readonly height?: number
  readonly format: (value: number) => string
  readonly formatX: (seconds: number) => string
  readonly onPick?: (seconds: number) => void
}

const axisFormat = (zone: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options })

const daySeconds = 86_400
/** Ticks further apart than this are months. */
const monthStepSeconds = 28 * daySeconds

/** One line per tick: the finest part that changes. */
const tickFormat = (step: number): Intl.DateTimeFormat =>
  step < daySeconds
    ? axisFormat("UTC", { hour: "2-digit", minute: "2-digit" })
    : step < monthStepSeconds
      ? axisFormat("UTC", { day: "numeric", month: "short" })
      : axisFormat("UTC", { month: "short", year: "2-digit" })

const tokenOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const washOf = (color: string, share: number): string => color.replace(/\)$/, ` / ${share})`)

const areaFill = (color: string) => (plot: uPlot) => {
  const gradient = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height)
  gradient.addColorStop(0, washOf(color, 0.16))
  gradient.addColorStop(1, washOf(color, 0))
  return gradient
}

const barPaths = uPlot.paths.bars?.({ size: [0.7, 22] })

const seriesOptions = ({ color, label, shape }: Series): uPlot.Series => {
  const stroke = tokenOf(color)
  const base = { label, points: { show: false } }
  if (shape === "bars")
    return { ...base, fill: stroke, width: 0, ...(barPaths === undefined ? {} : { paths: barPaths }) }
  if (shape === "dotted") return { ...base, stroke, width: 1.25, dash: [3, 4] }
  return { ...base, stroke, width: 1.75, fill: areaFill(stroke) }
}

const csvOf = ({ formatX, series, xs }: Props): string =>
  [
    ["time", ...series.map(({ label }) => label)].join(","),
    ...xs.map((x, index) => [formatX(x), ...series.map(({ values }) => values[index] ?? "")].join(","))
  ].join("\n")

function Canvas(props: Props & { readonly onCursor: (index: number | null) => void }) {
  const { height = 220, onCursor, series, xs } = props
  const box = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  const latest = useRef(props)
  useEffect(() => {
    latest.current = props
  })
  useEffect(() => {
    const node = box.current
    if (node === null) return undefined
    const font = "11px 'Inter Variable', sans-serif"
    const axis = { stroke: tokenOf("soft"), font, ticks: { show: false } }
    const plot = new uPlot(
      {
        width: node.clientWidth,
        height,
        padding: [10, 8, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, fill: tokenOf("surface") } },
        hooks: {
          setCursor: [
            ({ cursor }) =>
              onCursor(cursor.left === undefined || cursor.left < 0 ? null : (cursor.idx ?? null))
          ]
        },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
        scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            gap: 6,
            size: 30,
            space: 78,
            values: (_plot, ticks, _axis, _space, step) =>
              ticks.map((tick) => tickFormat(step).format(tick * 1_000))
          },
          {
            ...axis,
            grid: { stroke: tokenOf("line"), width: 1, dash: [2, 3] },
            size: 58,
            gap: 8,
            space: 42,
            values: (_plot, ticks) => ticks.map((tick) => latest.current.format(tick))
          }
        ],
        series: [{}, ...series.map(seriesOptions)]
      },
      [[...xs], ...series.map(({ values }) => [...values])],
      node
    )
    const observer = new ResizeObserver(() => plot.setSize({ width: node.clientWidth, height }))
    observer.observe(node)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [xs, series, height, theme, onCursor])
  return <div ref={box} style={{ height }} aria-hidden />
}

/** A chart. A click on a place picks it. */
export default function Chart(props: Props) {
  const { format, formatX, label, onPick, series, summary, xs } = props
  const [index, setIndex] = useState<number | null>(null)
  const [isTable, setTable] = useState(false)
  const id = useId()
  const at = index === null ? undefined : xs[index]
  return (
    <figure className="relative m-0" aria-labelledby={id}>
      <figcaption id={id} className="sr-only">
        {label}. {summary}
      </figcaption>
      <div className="absolute top-0 right-2 z-10 flex gap-1">
        <button
          type="button"
          className="btn btn-quiet text-soft h-6 px-2 text-xs"
          aria-pressed={isTable}
          onClick={() => setTable(!isTable)}
        >
          {isTable ? "Chart" : "Table"}
        </button>
        <button
          type="button"
          className="btn btn-quiet text-soft h-6 px-2 text-xs"
          onClick={() => void navigator.clipboard.writeText(csvOf(props))}
          title="Copies the figures as CSV"
        >
          Copy CSV
        </button>
      </div>
      {isTable ? (
        <div
          className="max-h-72 overflow-y-auto"
          tabIndex={0}
          role="region"
          aria-label={`${label} as a table`}
        >
          <table className="w-full border-collapse">
            <thead>
              <tr>
                <th scope="col" className="th">
                  Time
                </th>
                {series.map((item) => (
                  <th key={item.label} scope="col" className="th text-right">
                    {item.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {xs.map((x, row) => (
                <tr key={x}>
                  <td className="td num">{formatX(x)}</td>
                  {series.map(({ label: name, values }) => (
                    <td key={name} className="td num text-right">
                      {format(values[row] ?? 0)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        // The table beside it is the way of the keyboard.
        // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
        <div
          className={cx(onPick !== undefined && "cursor-pointer")}
          onClick={() => {
            if (at !== undefined) onPick?.(at)
          }}
        >
          <Canvas {...props} onCursor={setIndex} />
        </div>
      )}
      {isTable || at === undefined || index === null ? null : (
        <div
          className="floating pointer-events-none absolute top-7 left-18 z-10 px-2.5 py-1.5 text-xs"
          aria-hidden
        >
          <p className="text-soft mb-0.5">{formatX(at)}</p>
          {series.map((item) => (
            <p key={item.label} className="num flex items-center gap-4">
              {item.label}
              <b className="ml-auto font-semibold">{format(item.values[index] ?? 0)}</b>
            </p>
          ))}
        </div>
      )}
    </figure>
  )
}
