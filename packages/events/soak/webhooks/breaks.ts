import type * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Violation } from "../events/Ledger.ts"

/** A delivery that is due after a failure is not dispatched: it waits for another attempt or event of the tenant. */
export const sweep: BrokenBuild.Break<Violation["rule"]> = {
  clauses: [
    {
      file: "packages/events/src/WebhookSender.ts",
      text: "return { count: yield* dispatch, hasMore: false }",
      instead: "return { count: 0, hasMore: false }"
    }
  ],
  rule: "overdue",
  args: ["webhooks", "--events", "120", "--incidents", "3", "--pause", "2000"]
}
