import { CircleAlert, CircleCheck, CircleDot, Clock3 } from "lucide-react"
import type { ReactNode } from "react"
import { cx } from "./Format.ts"

export type Tone = "good" | "warn" | "bad" | "accent" | "plain"

const chips: Readonly<Record<Tone, string>> = {
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  accent: "bg-accent-soft text-accent-ink",
  plain: "bg-hover text-soft"
}

export const textTones: Readonly<Record<Tone, string>> = {
  good: "text-good",
  warn: "text-warn",
  bad: "text-bad",
  accent: "text-accent-ink",
  plain: "text-ink"
}

/** A word about a thing, coloured where the word means that something is well or is not. */
export function Badge({ children, tone = "plain" }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return <span className={cx("chip", chips[tone])}>{children}</span>
}

const icons = { good: CircleCheck, warn: Clock3, bad: CircleAlert, accent: CircleDot, plain: CircleDot }

/** A state as an icon with a shape for each, and its word for screen readers. */
export function State({ label, tone }: { readonly tone: Tone; readonly label: string }) {
  const Icon = icons[tone]
  return (
    <Icon
      size={15}
      strokeWidth={2.2}
      className={cx("shrink-0", textTones[tone])}
      role="img"
      aria-label={label}
    />
  )
}
