import type * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Violation } from "../events/Ledger.ts"

/** The job of a wake-up is enqueued after the transaction of what it waits for, and not in it. */
export const wake: BrokenBuild.Break<Violation["rule"]> = {
  clauses: [
    {
      file: "packages/events/src/internal/workflow/operations.ts",
      text: "if (woken.length > 0) yield* enqueue(tenantId, woken.map(jobOf))",
      instead:
        'if (woken.length > 0) yield* sql.afterCommit(Effect.orDie(Effect.delay(enqueue(tenantId, woken.map(jobOf)), "1 second")))'
    }
  ],
  rule: "unfinished",
  args: ["workflows", "--executions", "112", "--incidents", "6", "--pause", "2500"]
}
