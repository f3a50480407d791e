import type * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Violation } from "./AuditRun.ts"

/** Sealing looks at rows after the newest one under a checkpoint: a row that commits late is left out. */
export const horizon: BrokenBuild.Break<Violation["rule"]> = {
  clauses: [
    {
      file: "packages/platform/src/audit/statements.ts",
      text: "log.activity_id NOT IN (\n             SELECT unnest(activity_ids)",
      instead: "log.recorded_at > ALL (\n             SELECT last_recorded_at"
    }
  ],
  rule: "not_exactly_one",
  args: ["audit", "--seconds", "10"]
}
