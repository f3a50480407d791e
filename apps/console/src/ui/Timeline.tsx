import type { LucideIcon } from "lucide-react"
import type { ReactNode } from "react"
import type { Tone } from "./Badge.tsx"
import { cx, inZone, utc, weekday } from "./Format.ts"
import { Tip } from "./Tip.tsx"

export interface Moment {
  readonly key: string
  readonly at: string
  readonly icon: LucideIcon
  readonly tone: Tone
  readonly title: ReactNode
  readonly detail?: ReactNode
  /** The word at the right: the domain. */
  readonly side: ReactNode
  /** Moments of one kind that followed each other; they are shown when the row is opened. */
  readonly folded?: ReadonlyArray<Moment>
}

const circles: Readonly<Record<Tone, string>> = {
  good: "border-good bg-good-soft text-good",
  warn: "border-warn bg-warn-soft text-warn",
  bad: "border-bad bg-bad-soft text-bad",
  accent: "border-accent bg-accent-soft text-accent-ink",
  plain: "border-line-strong bg-surface text-soft"
}

/** Days by themselves, and the moments of each below it. */
const byDay = (
  moments: ReadonlyArray<Moment>,
  zone: string
): ReadonlyArray<readonly [string, ReadonlyArray<Moment>]> => {
  const days = new Map<string, Array<Moment>>()
  for (const moment of moments) {
    const name = inZone(moment.at, zone).day
    const existing = days.get(name)
    if (existing === undefined) days.set(name, [moment])
    else existing.push(moment)
  }
  return [...days]
}

function Row({ moment, zone }: { readonly moment: Moment; readonly zone: string }) {
  const { icon: Icon } = moment
  return (
    <li className="grid grid-cols-[58px_28px_1fr_auto] items-start gap-3 py-2">
      <Tip text={utc(moment.at)}>
        <time dateTime={moment.at} className="num text-soft pt-1 text-right text-xs leading-5">
          {inZone(moment.at, zone).time.slice(0, 5)}
        </time>
      </Tip>
      <span className={cx("grid size-7 place-items-center rounded-full border", circles[moment.tone])}>
        <Icon size={14} aria-hidden />
      </span>
      <div className="min-w-0 pt-1">
        <p className="text-sm font-medium">{moment.title}</p>
        {moment.detail === undefined ? null : <div className="text-soft mt-0.5 text-xs">{moment.detail}</div>}
        {moment.folded === undefined ? null : (
          <details className="text-soft mt-0.5 text-xs">
            <summary className="min-h-6 py-1">Show all {moment.folded.length}</summary>
            <ul className="mt-1 space-y-0.5">
              {moment.folded.map((item) => (
                <li key={item.key} className="flex gap-2">
                  <span className="num">{inZone(item.at, zone).time}</span>
                  <span>{item.title}</span>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
      <div className="pt-1">{moment.side}</div>
    </li>
  )
}

/** Moments under the day on which they were in a zone, with the time in UTC on hover. */
export function Timeline({
  label,
  moments,
  zone = "UTC"
}: {
  readonly label: string
  readonly zone?: string
  readonly moments: ReadonlyArray<Moment>
}) {
  return (
    <div className="card px-4 py-2" role="region" aria-label={label}>
      {byDay(moments, zone).map(([name, items]) => (
        <div key={name}>
          <h2 className="text-soft pt-3 pb-1 text-xs font-medium">{weekday(name)}</h2>
          <ol>
            {items.map((moment) => (
              <Row key={moment.key} moment={moment} zone={zone} />
            ))}
          </ol>
        </div>
      ))}
    </div>
  )
}
