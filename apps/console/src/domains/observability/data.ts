/** Issues, and the parts of an event that an SDK sent. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Issue = Success<"GET /v1/observability/issues">["items"][number]

export const issuePlace = (issueId: string) => ({ to: `/errors/${encodeURIComponent(issueId)}` })

export const stateOfIssue = ({
  regressedAt,
  status
}: Issue): { readonly tone: Tone; readonly label: string } => {
  if (status === "resolved") return { tone: "good", label: "resolved" }
  if (status === "muted") return { tone: "plain", label: "muted" }
  return regressedAt === null ? { tone: "bad", label: "unresolved" } : { tone: "bad", label: "regressed" }
}

export interface Frame {
  readonly place: string
  readonly name: string
  /** Of the application, not of a library. */
  readonly isOwn: boolean
}

export interface Failed {
  readonly title: string
  /** The innermost call first. */
  readonly frames: ReadonlyArray<Frame>
}

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {})
const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null
const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const frameOf = (value: unknown): Frame => {
  const frame = fieldsOf(value)
  const line = typeof frame["lineno"] === "number" ? `:${frame["lineno"]}` : ""
  return {
    place: `${textOf(frame["filename"])}${line}`,
    name: textOf(frame["function"]) || "(anonymous)",
    isOwn: frame["in_app"] === true
  }
}

/** Returns the exceptions of an event, the one that was thrown first. An event in another shape has none. */
export const failuresOf = (data: unknown): ReadonlyArray<Failed> =>
  listOf(fieldsOf(fieldsOf(data)["exception"])["values"])
    .map((value) => {
      const exception = fieldsOf(value)
      return {
        title: `${textOf(exception["type"])}: ${textOf(exception["value"])}`,
        frames: listOf(fieldsOf(exception["stacktrace"])["frames"]).map(frameOf).toReversed()
      }
    })
    .toReversed()

const hourSeconds = 3_600
const hoursShown = 14 * 24

/** Returns the hours of the last 14 days, those without an event too. */
export const hoursOf = (
  hours: ReadonlyArray<{ readonly hour: string; readonly events: number }>,
  now: number
): ReadonlyArray<{ readonly at: number; readonly events: number }> => {
  const last = Math.floor(now / 1_000 / hourSeconds)
  const read = new Map(hours.map(({ events, hour }) => [Math.floor(Date.parse(hour) / 3_600_000), events]))
  return Array.from({ length: hoursShown }, (_, index) => {
    const hour = last - (hoursShown - 1 - index)
    return { at: hour * hourSeconds, events: read.get(hour) ?? 0 }
  })
}
