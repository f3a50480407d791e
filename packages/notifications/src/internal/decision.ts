/** Decides about a claimed message at the instant of its sending: the second look, after that of the expansion. */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Result from "effect/Result"
import type { Change, ClaimedRow, DefaultsRow } from "./deliveryStatements.ts"
import * as Quiet from "./quiet.ts"

export const builtInDefaults: DefaultsRow = {
  locale: "en",
  timeZone: "UTC",
  fromName: null,
  replyTo: null,
  quietFrom: null,
  quietUntil: null
}

const windowOf = (row: {
  readonly quietFrom: number | null
  readonly quietUntil: number | null
}): Quiet.Quiet | undefined =>
  row.quietFrom === null || row.quietUntil === null
    ? undefined
    : { from: row.quietFrom, until: row.quietUntil }

/** A zone that another release accepted may be unknown here: the tenant's is used. */
export const zoneOf = (row: ClaimedRow, defaults: DefaultsRow): CalendarTime.Zone | undefined => {
  const own = row.timeZone === null ? undefined : Result.getOrUndefined(CalendarTime.zone(row.timeZone))
  return own ?? Result.getOrUndefined(CalendarTime.zone(defaults.timeZone))
}

const final = (id: string, state: Change["state"], reason: string): Change => ({
  id,
  state,
  reason,
  dueAt: null
})

/** Returns the change of a message that is not sent now; undefined for one that is. */
export const decide = (row: ClaimedRow, defaults: DefaultsRow, now: Date): Change | undefined => {
  const id = row.notificationId
  if (row.isCancelled) return final(id, "cancelled", "request")
  if (row.expiresAt !== null && row.expiresAt <= now) return final(id, "expired", "expiry")
  if (row.email === null) return final(id, "filtered", "no-address")
  if (row.kind !== "required" && !row.critical) {
    if (row.enabled === false) return final(id, "filtered", "preference")
    if (row.enabled === null && row.kind === "marketing") return final(id, "filtered", "no-consent")
  }
  if (row.critical || !row.heedsQuiet) return undefined
  const quiet = windowOf(row) ?? windowOf(defaults)
  const zone = zoneOf(row, defaults)
  const until = quiet === undefined || zone === undefined ? undefined : Quiet.releaseAt(quiet, zone, now)
  return until === undefined ? undefined : { id, state: "held", reason: "quiet", dueAt: until }
}

/** Decides about a chunk. `suppressed` has the reason of each address that gets no mail. */
export const decideAll = (
  claimed: ReadonlyArray<ClaimedRow>,
  suppressed: ReadonlyMap<string, string>,
  defaults: DefaultsRow,
  now: Date
): { readonly exits: ReadonlyArray<Change>; readonly due: ReadonlyArray<ClaimedRow> } => {
  const exits: Array<Change> = []
  const due: Array<ClaimedRow> = []
  for (const message of claimed) {
    const decided = decide(message, defaults, now)
    const reason = message.email === null ? undefined : suppressed.get(message.email)
    // A complaint is no hard bounce: what is owed is still sent.
    const isOwed = (message.kind === "required" || message.critical) && reason === "complaint"
    if (decided !== undefined && decided.state !== "held") exits.push(decided)
    else if (reason !== undefined && !isOwed) exits.push(final(message.notificationId, "suppressed", reason))
    else if (decided !== undefined) exits.push(decided)
    else due.push(message)
  }
  return { exits, due }
}
