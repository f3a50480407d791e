/** Queues and jobs, and what stopped a job. */
import { queryOptions } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"
import { unlessLive } from "../../ui/polling.ts"

export type Queue = Success<"GET /v1/events/queues">["items"][number]
export type DeadJob = Success<"GET /v1/events/queues/:queue/dead">["items"][number]
export type Minute = Success<"GET /v1/events/queues/:queue/minutes">["items"][number]

export const queues = queryOptions({
  queryKey: ["queues"],
  refetchInterval: unlessLive,
  queryFn: ({ signal }) => call("GET /v1/events/queues", { signal })
})

/** A job that waits longer than this is late: workers look for jobs every second. */
const lateSeconds = 60

export const stateOf = ({
  dead,
  oldestAgeSeconds,
  paused
}: Queue): { readonly tone: Tone; readonly label: string } => {
  if (dead > 0) return { tone: "bad", label: "Has dead jobs" }
  if (paused) return { tone: "warn", label: "Paused" }
  if ((oldestAgeSeconds ?? 0) > lateSeconds) return { tone: "warn", label: "Jobs wait" }
  return { tone: "good", label: "Drains" }
}

export interface Attempt {
  readonly attempt: number
  readonly at: string | undefined
  readonly worker: string | undefined
  readonly error: string
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const textIn = (value: Readonly<Record<string, unknown>>, name: string): string | undefined => {
  const text = value[name]
  return typeof text === "string" ? text : undefined
}

/** Returns the failed attempts of a job, the newest first. */
export const attemptsOf = (errors: unknown): ReadonlyArray<Attempt> =>
  (Array.isArray(errors) ? errors : [])
    .map((entry: unknown, index): Attempt => {
      if (!isObject(entry))
        return { attempt: index + 1, at: undefined, worker: undefined, error: String(entry) }
      const { attempt } = entry
      return {
        attempt: typeof attempt === "number" ? attempt : index + 1,
        at: textIn(entry, "at"),
        worker: textIn(entry, "worker"),
        error: textIn(entry, "error") ?? textIn(entry, "message") ?? JSON.stringify(entry)
      }
    })
    .toReversed()

export const firstLine = (text: string): string => text.split("\n", 1)[0] ?? ""

/** Returns what stopped a job last: the reason of its rejection, or the first line of its last error. */
export const reasonOf = ({ errors, rejected }: Pick<DeadJob, "errors" | "rejected">): string =>
  rejected ?? firstLine(attemptsOf(errors)[0]?.error ?? "No error is recorded")

/** Returns the minutes of the last hour, those without a job too: a line over a gap would invent some. */
export const lastHour = (
  minutes: ReadonlyArray<Minute>,
  now: number
): ReadonlyArray<Omit<Minute, "at"> & { readonly at: number }> => {
  const read = new Map(minutes.map((minute) => [Math.floor(Date.parse(minute.at) / minuteMillis), minute]))
  const last = Math.floor(now / minuteMillis)
  return Array.from({ length: minutesOfHour }, (_, index) => {
    const at = last - (minutesOfHour - 1 - index)
    const { batchMillis = 0, failed = 0, jobs = 0 } = read.get(at) ?? {}
    return { at: at * secondsOfMinute, jobs, failed, batchMillis }
  })
}

const minuteMillis = 60_000
const secondsOfMinute = 60
const minutesOfHour = 60
