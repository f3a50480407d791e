/**
 * A check-in of a monitored task, read leniently from what an SDK sent.
 */
import * as MonitorSchedule from "./monitorSchedule.ts"
import { eventIdOf } from "./storedEvent.ts"

const nameLengthMax = 200
/** Of a run, in seconds: a year. */
const durationMax = 365 * 24 * 3_600

export interface CheckIn {
  readonly checkInId: string
  readonly slug: string
  readonly environment: string
  readonly status: "running" | "ok" | "error"
  readonly durationMillis: number | null
  readonly receivedAtMillis: number
  readonly schedule: MonitorSchedule.Schedule | null
}

const statuses = new Map<unknown, CheckIn["status"]>([
  ["in_progress", "running"],
  ["ok", "ok"],
  ["error", "error"]
])

/** An id of zeros is that of the last run. */
const isId = (id: string | undefined): id is string => id !== undefined && !/^[0-]+$/.test(id)

const nameOf = (value: unknown): string =>
  typeof value === "string"
    ? value.trim().slice(0, nameLengthMax).replaceAll("\u0000", "").toWellFormed()
    : ""

/** Undefined for one without a slug or a status. */
export const make = (
  payload: Readonly<Record<string, unknown>>,
  receivedAtMillis: number,
  newId: string
): CheckIn | undefined => {
  const slug = nameOf(payload["monitor_slug"])
  const status = statuses.get(payload["status"])
  if (slug === "" || status === undefined) return undefined
  const id = eventIdOf(payload["check_in_id"])
  const { duration } = payload
  return {
    checkInId: isId(id) ? id : newId,
    slug,
    environment: nameOf(payload["environment"]) || "production",
    status,
    durationMillis:
      typeof duration === "number" && duration >= 0 && duration <= durationMax
        ? Math.round(duration * 1000)
        : null,
    receivedAtMillis,
    schedule: MonitorSchedule.make(payload["monitor_config"])
  }
}
