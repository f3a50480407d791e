/** `pnpm soak quotas`. `--seconds` is how long Postgres hangs or is stopped under load. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import type * as Report from "@hypermarket/soak/Report"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Effect from "effect/Effect"
import { breaks } from "./quotas/breaks.ts"
import * as OutageRun from "./quotas/OutageRun.ts"
import * as QuotaRun from "./quotas/QuotaRun.ts"

type Part = "ledger" | "hangs" | "stops" | "buckets"

const millisPerSecond = 1_000

const runPart = (part: Part, seed: number, size: QuotaRun.Size & { readonly seconds: number }) => {
  if (part === "ledger") return QuotaRun.runLedger(seed, size)
  if (part === "buckets") return QuotaRun.runBuckets(seed, size.keys)
  return OutageRun.run(seed, part === "hangs" ? "frozen" : "shutDown", size.seconds * millisPerSecond)
}

/** All parts one after another. The counts of an outage have its name before them. */
const runAll = Effect.fnUntraced(function* (seed: number, size: Parameters<typeof runPart>[2]) {
  const reports: Array<Report.Report> = []
  for (const part of ["ledger", "hangs", "stops", "buckets"] as const) {
    const report: Report.Report = yield* runPart(part, seed, size)
    const counts = Object.entries(report.counts).map(([name, count]) => [`${part}.${name}`, count])
    reports.push({ ...report, counts: Object.fromEntries(counts) })
  }
  const report: Report.Report = {
    seed,
    ok: reports.every(({ ok }) => ok),
    violations: reports.flatMap(({ violations }) => violations),
    counts: Object.assign({}, ...reports.map(({ counts }) => counts)),
    millis: reports.reduce((sum, { millis }) => sum + millis, 0)
  }
  return report
})

export const program = SoakProgram.make({
  name: "quotas",
  modes: {
    option: "part",
    values: ["all", "ledger", "hangs", "stops", "buckets"],
    about: {
      ledger: "reserves and commits while Postgres is killed",
      hangs: "rate limits while Postgres hangs",
      stops: "rate limits while Postgres is stopped",
      buckets: "buckets of one request each, an hour later"
    }
  },
  sizes: {
    pairs: { default: 10_000 },
    kills: { default: 6 },
    callers: { default: 24 },
    keys: { default: 10_000_000 },
    seconds: { default: 20 }
  },
  breaks: {
    kinds: ["durability", "key", "sweep", "burst", "closed", "deadline"],
    check: (kind, seed) => BrokenBuild.check(kind, breaks[kind], seed)
  },
  run: (seed, size, part) => (part === "all" ? runAll(seed, size) : runPart(part, seed, size))
})
