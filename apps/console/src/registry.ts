/** The registrations of all domains, put together. */
import {
  type AlertItem,
  type AlertWords,
  type ConsoleDomain,
  groups,
  type TimelineItem,
  type TimelineWords
} from "./Console.ts"
import { CircleDot } from "lucide-react"
import type { Session } from "./api/session.ts"
import * as registered from "./domains.ts"
import type { Place } from "./ui/DataTable.tsx"

/** All domains in the order of their groups, and by name within one. */
const domains: ReadonlyArray<ConsoleDomain> = Object.values<ConsoleDomain>(registered).toSorted(
  (a, b) => groups.indexOf(a.group) - groups.indexOf(b.group)
)

/** The domains that this installation has. One that tells of no domains is older, and has all. */
export const installed = ({ domains: names }: Session): ReadonlyArray<ConsoleDomain> =>
  domains.filter(({ name }) => name === "core" || names.length === 0 || names.includes(name))

/** Returns the page of a thing, when a domain has one. */
export const placeOf = (kind: string, id: string): Place | undefined =>
  domains.map(({ lookups }) => lookups?.[kind]).find((lookup) => lookup !== undefined)?.(id)

const words = (kind: string): string => {
  const text = kind.replaceAll(/[.-]/g, " ")
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Returns the words of an alert; a kind that the console does not know is named as it is. */
export const alertWords = (alert: AlertItem): AlertWords => {
  const write = domains.find(({ alerts }) => alerts?.[alert.kind] !== undefined)?.alerts?.[alert.kind]
  return (
    write?.(alert) ?? {
      title: `${words(alert.kind)}: ${alert.subject}`,
      detail: `Reported by ${alert.domain}.`,
      act: { label: "Open the overview", place: { to: "/" } }
    }
  )
}

export const timelineWords = (item: TimelineItem): TimelineWords => {
  const write = domains.find(({ timeline }) => timeline?.[item.kind] !== undefined)?.timeline?.[item.kind]
  return write?.(item) ?? { icon: CircleDot, tone: "plain", title: words(item.kind) }
}
