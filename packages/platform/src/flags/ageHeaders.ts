/** The age of answers that are evaluated from memory. */
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import type { FlagEvaluations } from "../FlagEvaluations.ts"

/**
 * `Age` (RFC 9111, 5.1): seconds since the flags were known to be the newest. At most some seconds, and the length of the outage
 * while the database is unavailable.
 */
export const ageHeaders = (
  evaluations: FlagEvaluations["Service"]
): Effect.Effect<{ readonly age: string }, never, Tenant> =>
  Effect.map(evaluations.age, (ageMillis) => ({ age: String(Math.floor(ageMillis() / 1_000)) }))
