/** Builds of the event queue in which one guarantee is taken out: `pnpm soak events --break <kind>`. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Violation } from "./Ledger.ts"

export const kinds = ["notice", "fencing", "order", "deadline", "describing"] as const

export type Kind = (typeof kinds)[number]

/** Few jobs suffice, and none of what takes its time; a kill could meet the very worker that is to come back too late. */
const few = ["--jobs", "600", "--incidents", "0", "--poison", "0"]
const killing = ["events", "--mode", "kill", ...few]
const hostile = ["events", "--mode", "hostile", ...few]

/** A heartbeat that finds its lease gone stops the handlers: then hardly any of them gets as far as the fence. */
const notice: BrokenBuild.Clause = {
  file: "packages/queue/src/internal/housekeeping.ts",
  text: "batch.lost.openUnsafe()",
  instead: "continue"
}

const breaks: Readonly<Record<Kind, BrokenBuild.Break<Violation["rule"]>>> = {
  // Without it everything still holds: the fence alone is enough.
  notice: { clauses: [notice], rule: undefined, args: killing },
  // A worker that lost its lease commits its handler's effects all the same.
  fencing: {
    clauses: [
      notice,
      {
        file: "packages/queue/src/internal/handling/transactional.ts",
        text: "if (acknowledged === 0) return yield* Effect.die(new LeaseLost())",
        instead: ""
      }
    ],
    rule: "not_exactly_once",
    args: killing
  },
  // Jobs with a key are enqueued like any other.
  order: {
    clauses: [
      {
        file: "packages/queue/src/internal/statements/enqueue.ts",
        text: "SELECT i.n, i.tenant_id, i.queue, i.priority, i.ordering_key, i.job_id,",
        instead: "SELECT i.n, i.tenant_id, i.queue, i.priority, NULL::text AS ordering_key, i.job_id,"
      }
    ],
    rule: "order",
    args: killing
  },
  // A call that ignores its interruption keeps its job and its slot.
  deadline: {
    clauses: [
      {
        file: "packages/queue/src/internal/handling/unitRunner.ts",
        text: "timed.leaveBehind()",
        instead: ""
      }
    ],
    rule: "stuck",
    args: hostile
  },
  // An error is described by its own methods, which may throw.
  describing: {
    clauses: [
      {
        file: "packages/queue/src/internal/handling/retry.ts",
        text: "FailureText.describe(cause)",
        instead: "Cause.pretty(cause)"
      },
      {
        file: "packages/queue/src/internal/handling/retry.ts",
        text: 'import type * as Cause from "effect/Cause"',
        instead: 'import * as Cause from "effect/Cause"'
      }
    ],
    rule: "hostile_outcome",
    args: hostile
  }
}

/** Runs the soak on such a build, and fails unless it finds what it must. */
export const check = (kind: Kind, seed: number) => BrokenBuild.check(kind, breaks[kind], seed)
