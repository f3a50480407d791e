/** The period of a feature that contains an instant. */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import type { QuotaFeature } from "../QuotaFeature.ts"

export interface Period {
  readonly start: Date
  /** Undefined when the period has no end. */
  readonly end: Date | undefined
  /** The start of the period before, from which amounts roll over. */
  readonly previous: Date | undefined
}

/** Features without periods, and what is held at the same time, have one period since Unix time. */
const endless: Period = { start: new Date(0), end: undefined, previous: undefined }

/** Computed from the anchor and never from the last end, so that the 31st returns after a short month. */
export const periodOf = (feature: Pick<QuotaFeature, "period">, at: Date): Period => {
  if (feature.period === null) return endless
  const zone = Result.getOrThrow(CalendarTime.zone(feature.period.zone))
  const periods = CalendarTime.periods(DateTime.toDate(feature.period.anchor), zone, feature.period.unit)
  const { end, start } = periods.containing(at)
  return { start, end, previous: periods.containing(new Date(start.getTime() - 1)).start }
}
