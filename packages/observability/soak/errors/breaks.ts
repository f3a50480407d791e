/** Builds of the intake in which one guarantee is taken out: `pnpm soak errors --break <kind>`. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Violation } from "./ErrorRun.ts"

export const kinds = ["acknowledgement", "adoption"] as const

export type Kind = (typeof kinds)[number]

const args = ["errors", "--rounds", "1", "--outage", "5", "--senders", "8"]

const breaks: Readonly<Record<Kind, BrokenBuild.Break<Violation["rule"]>>> = {
  // An event is acknowledged when it is queued.
  acknowledgement: {
    clauses: [
      {
        file: "packages/observability/src/ErrorIntake.ts",
        text: "return yield* Deferred.await(done)",
        instead: "yield* Effect.yieldNow"
      }
    ],
    rule: "lost",
    args,
    runsApps: true
  },
  // The spool of a process that was killed is left alone.
  adoption: {
    clauses: [
      {
        file: "packages/observability/src/internal/spool.ts",
        text: "if (!(yield* isGone(owner))) return undefined",
        instead: "return undefined"
      }
    ],
    rule: "lost",
    args,
    runsApps: true
  }
}

/** Runs the soak on such a build, and fails unless it finds what it must. */
export const check = (kind: Kind, seed: number) => BrokenBuild.check(kind, breaks[kind], seed)
