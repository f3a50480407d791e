import type * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type { Rule as OutageRule } from "./OutageRun.ts"
import type { Rule as QuotaRule } from "./QuotaRun.ts"

const ledger = ["quotas", "--part", "ledger", "--pairs", "600", "--kills", "3"]
const buckets = ["quotas", "--part", "buckets", "--keys", "9000"]
const outage = ["quotas", "--part", "hangs", "--seconds", "2"]

export const breaks = {
  /** A commit is acknowledged before it is on disk. */
  durability: {
    clauses: [
      {
        file: "packages/core/src/Database.ts",
        text: 'jit: "off",',
        instead: 'jit: "off", synchronous_commit: "off",'
      }
    ],
    rule: "ledger",
    args: ledger
  },
  /** A request of which the answer was lost is not found by its key. */
  key: {
    clauses: [
      {
        file: "packages/quotas/src/internal/reservationStatements.ts",
        text: "SELECT ${tenantId}, key, request, id,",
        instead: "SELECT ${tenantId}, id::text, request, id,"
      }
    ],
    rule: "ledger",
    args: ledger
  },
  /** The job that deletes full buckets ends after one statement. */
  sweep: {
    clauses: [
      {
        file: "packages/quotas/src/QuotaMaintenance.ts",
        text: "row.walked < sweepBatch",
        instead: "row.walked <= sweepBatch"
      }
    ],
    rule: "bucket_left",
    args: buckets
  },
  /** A process that decides alone forgets what it has admitted. */
  burst: {
    clauses: [
      {
        file: "packages/quotas/src/internal/processJudge.ts",
        text: "const charged = wait === 0 ? cost : 0",
        instead: "const charged = 0"
      }
    ],
    rule: "over_burst",
    args: outage
  },
  /** Policies that fail closed open, and those that fail open are refused. */
  closed: {
    clauses: [
      {
        file: "packages/quotas/src/internal/checker.ts",
        text: 'whenUnavailable === "closed"',
        instead: 'whenUnavailable === "open"'
      }
    ],
    rule: "unavailable_answer",
    args: outage
  },
  /** A check waits for the database five times as long. */
  deadline: {
    clauses: [
      {
        file: "packages/quotas/src/internal/batcher.ts",
        text: "untilMillis: nowMillis() + millis,",
        instead: "untilMillis: nowMillis() + 5 * millis,"
      }
    ],
    rule: "slow",
    args: outage
  }
} as const satisfies Readonly<Record<string, BrokenBuild.Break<QuotaRule | OutageRule>>>
