/**
 * The state of an issue, and how an event changes it. Pure: intake and operators call it under the lock of the project, so
 * that each change happens once.
 */
import * as ReleaseOrder from "../ReleaseOrder.ts"

export interface Resolution {
  readonly in: "now" | "release" | "next release"
  readonly atMillis: number
  /** The release that was compared with: kept here, so that removing it changes nothing. */
  readonly release: string | null
  readonly releaseFirstSeenMillis: number | null
}

export interface Mute {
  readonly untilMillis: number | null
  /** Events that are still ignored. */
  readonly eventsLeft: number | null
  readonly window: { readonly events: number; readonly minutes: number } | null
  /** Times of the last events, at most as many as the window has. */
  readonly windowMillis: ReadonlyArray<number>
  readonly escalating: boolean
}

export type State =
  | { readonly status: "unresolved" }
  | { readonly status: "resolved"; readonly resolution: Resolution }
  | { readonly status: "muted"; readonly mute: Mute }

export interface Occurrence {
  readonly occurredAtMillis: number
  readonly receivedAtMillis: number
  readonly release: string | null
  readonly releaseFirstSeenMillis: number | null
}

/** Events of the hour, and the most of an hour in the week before. */
export interface Hours {
  readonly current: number
  readonly highest: number
}

export type Change = "regressed" | "mute-ended"

export interface Step {
  readonly state: State
  readonly change: Change | undefined
}

const unresolved: State = { status: "unresolved" }
const minuteMillis = 60_000

/** Fewer events an hour are no escalation. */
const escalatingEventsMin = 10
const escalatingFactor = 3

const isEscalating = ({ current, highest }: Hours): boolean =>
  current > escalatingEventsMin && current >= escalatingFactor * highest

const regresses = (resolution: Resolution, event: Occurrence): boolean => {
  if (event.occurredAtMillis <= resolution.atMillis && resolution.in === "now") return false
  if (resolution.in === "now" || event.release === null) return event.occurredAtMillis > resolution.atMillis
  if (resolution.release === null) {
    return (event.releaseFirstSeenMillis ?? event.receivedAtMillis) > resolution.atMillis
  }
  const order = ReleaseOrder.compare(
    { name: event.release, firstSeenMillis: event.releaseFirstSeenMillis ?? event.receivedAtMillis },
    { name: resolution.release, firstSeenMillis: resolution.releaseFirstSeenMillis }
  )
  return resolution.in === "release" ? order >= 0 : order > 0
}

const stepMuted = (mute: Mute, event: Occurrence, hours: Hours): Step => {
  if (mute.untilMillis !== null && event.receivedAtMillis >= mute.untilMillis) {
    return { state: unresolved, change: "mute-ended" }
  }
  if (mute.eventsLeft !== null && mute.eventsLeft <= 1) return { state: unresolved, change: "mute-ended" }
  if (mute.escalating && isEscalating(hours)) return { state: unresolved, change: "mute-ended" }
  const next: Mute = {
    ...mute,
    eventsLeft: mute.eventsLeft === null ? null : mute.eventsLeft - 1,
    windowMillis:
      mute.window === null ? [] : [...mute.windowMillis, event.receivedAtMillis].slice(-mute.window.events)
  }
  if (mute.window !== null && next.windowMillis.length >= mute.window.events) {
    const [oldest = 0] = next.windowMillis
    if (event.receivedAtMillis - oldest <= mute.window.minutes * minuteMillis) {
      return { state: unresolved, change: "mute-ended" }
    }
  }
  return { state: { status: "muted", mute: next }, change: undefined }
}

/** Returns the state after one more event of the issue. */
export const step = (state: State, event: Occurrence, hours: Hours): Step => {
  switch (state.status) {
    case "unresolved":
      return { state, change: undefined }
    case "resolved":
      return regresses(state.resolution, event)
        ? { state: unresolved, change: "regressed" }
        : { state, change: undefined }
    case "muted":
      return stepMuted(state.mute, event, hours)
  }
}
