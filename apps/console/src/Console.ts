/** The part of a domain in the console: its pages, and how its alerts, items of a timeline and identifiers are shown. */
import type { LucideIcon } from "lucide-react"
import type { ComponentType } from "react"
import type { Success } from "./api/Endpoints.ts"
import type { Tone } from "./ui/Badge.tsx"
import type { Place } from "./ui/DataTable.tsx"

export type AlertItem = Success<"GET /v1/overview/alerts">["items"][number]
export type TimelineItem = Success<"GET /v1/overview/timeline/:kind/:id">["items"][number]

/** A page. One without a label is not in the navigation: others lead to it. */
export interface ConsolePage {
  /** Below the tenant, with `$name` for a part that varies. */
  readonly path: string
  readonly label?: string
  readonly icon?: LucideIcon
  /** The letter that follows `g`. */
  readonly key?: string
  /** The scope without which the page explains itself. */
  readonly requires?: string
  readonly load: () => Promise<{ default: ComponentType }>
}

export interface AlertWords {
  readonly title: string
  /** The consequence, and that nothing is lost. */
  readonly detail: string
  readonly figure?: string
  readonly act: { readonly label: string; readonly place: Place }
}

export interface TimelineWords {
  readonly icon: LucideIcon
  readonly tone: Tone
  readonly title: string
  readonly detail?: string
  readonly place?: Place
  /** Items of the same name that follow each other are shown as one. */
  readonly folds?: string
}

/** The groups of the navigation, in their order. */
export const groups = ["", "Sell", "Run", "Trust", "Release", "Talk", "Watch", "Account"] as const

export type NavigationGroup = (typeof groups)[number]

export interface ConsoleDomain {
  /** The domain whose presence in the installation shows the pages; `core` is always there. */
  readonly name: string
  readonly group: NavigationGroup
  readonly pages: ReadonlyArray<ConsolePage>
  /** The page of a thing, by the kind that lookups and links name. */
  readonly lookups?: Readonly<Record<string, (id: string) => Place>>
  readonly timeline?: Readonly<Record<string, (item: TimelineItem) => TimelineWords>>
  readonly alerts?: Readonly<Record<string, (alert: AlertItem) => AlertWords>>
}

/** Registers a domain in the console. */
export const domain = (registered: ConsoleDomain): ConsoleDomain => registered

type Json = Readonly<Record<string, unknown>>

/** Returns a member of the data of an alert or an item. The words are written so that it may be missing. */
export const member = (data: unknown, name: string): string | undefined => {
  const value = isJson(data) ? data[name] : undefined
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null
