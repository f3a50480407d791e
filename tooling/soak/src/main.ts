/**
 * `pnpm soak events [--runs N] [--seed S] [--mode kill|publish|hostile] [--jobs N] [--incidents N] [--poison N] [--workers N]
 * [--break notice|fencing|order|deadline|describing] [--json]`, and `pnpm soak analytics [--runs N] [--seed S] [--changes N] [--json]`. Ends with 1 when a rule was broken; with `--break`, when the broken build did
 * not do what it must.
 */
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { parseArgs } from "node:util"
import * as ApiSoak from "./api/ApiSoak.ts"
import * as AuditSoak from "./audit/AuditSoak.ts"
import * as NotificationSoak from "./notifications/NotificationSoak.ts"
import * as OrderRun from "./analytics/OrderRun.ts"
import * as BrokenBuild from "./BrokenBuild.ts"
import * as ErrorSoak from "./errors/ErrorSoak.ts"
import * as HostileRun from "./HostileRun.ts"
import * as KillRun from "./KillRun.ts"
import * as PublishRun from "./PublishRun.ts"
import * as QuotaSoak from "./quotas/QuotaSoak.ts"
import * as Run from "./Run.ts"
import * as SearchSoak from "./search/SearchSoak.ts"
import * as WebhookSoak from "./webhooks/WebhookSoak.ts"
import * as WorkflowSoak from "./workflows/WorkflowSoak.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seeds: Schema.Array(Schema.Int) }) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

const usage =
  "pnpm soak analytics [--runs N] [--seed S] [--changes N] [--json], or pnpm soak events [--runs N] [--seed S] [--mode kill|publish|hostile] [--jobs N] [--incidents N] [--poison N] [--workers N] [--break notice|fencing|order|deadline|describing] [--json], or pnpm soak search, api, audit, errors, notifications, quotas, webhooks or workflows, which have options of their own"

const defaults = {
  kill: { jobs: 5_000, incidents: 12 },
  publish: { jobs: 100_000, incidents: 8 },
  hostile: { jobs: 5_000, incidents: 0 }
} as const

const Options = Schema.Struct({
  domain: Schema.Literals(["analytics", "events"]),
  mode: Schema.Literals(["kill", "publish", "hostile"]),
  runs: Schema.FiniteFromString,
  seed: Schema.FiniteFromString,
  jobs: Schema.optionalKey(Schema.FiniteFromString),
  changes: Schema.FiniteFromString,
  incidents: Schema.optionalKey(Schema.FiniteFromString),
  poison: Schema.FiniteFromString,
  workers: Schema.FiniteFromString,
  break: Schema.optionalKey(Schema.Literals(BrokenBuild.kinds)),
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      mode: { type: "string", default: "kill" },
      runs: { type: "string", default: "1" },
      seed: { type: "string", default: String(process.pid) },
      jobs: { type: "string" },
      changes: { type: "string", default: "200000" },
      incidents: { type: "string" },
      poison: { type: "string", default: "2" },
      workers: { type: "string", default: "3" },
      break: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ positionals, values }) =>
    Schema.decodeUnknownEffect(Options)({ domain: positionals[0], ...values })
  ),
  Effect.mapError((cause) => new UsageWrong({ message: `${usage}\n${String(cause)}` }))
)

const runs = { kill: KillRun.run, publish: PublishRun.run, hostile: HostileRun.run }

const lineOf = (report: Run.Report): string => {
  const counts = Object.entries(report.counts).map(([name, count]) => `${name} ${count}`)
  const verdict = report.ok
    ? "ok"
    : report.violations.map(({ count, example, rule }) => `${rule} x${count} (${example})`).join("; ")
  return `seed ${report.seed}: ${verdict} | ${counts.join(", ")} | ${(report.millis / 1000).toFixed(1)} s`
}

const events = Effect.gen(function* () {
  const options = yield* read
  if (options.break !== undefined) {
    const { break: kind } = options
    const found = yield* BrokenBuild.check(kind, options.seed)
    const text = found.map(({ count, rule }) => `${rule} x${count}`).join(", ")
    return yield* Console.log(`without ${kind} the run finds: ${text === "" ? "nothing" : text}, as it must`)
  }
  const size = {
    jobs: options.jobs ?? defaults[options.mode].jobs,
    incidents: options.incidents ?? defaults[options.mode].incidents,
    poison: options.poison,
    workers: options.workers
  }
  const reports: Array<Run.Report> = []
  for (let n = 0; n < options.runs; n++) {
    const seed = options.seed + n
    const isOfOrders = options.domain === "analytics"
    const mode = isOfOrders ? "" : ` --mode ${options.mode}`
    yield* Run.say(`run ${n + 1} of ${options.runs},${mode} --seed ${seed}`)
    const report = yield* isOfOrders ? OrderRun.run(seed, options.changes) : runs[options.mode](seed, size)
    reports.push(report)
    yield* Run.say(lineOf(report))
  }
  const failed = reports.filter(({ ok }) => !ok)
  yield* options.json
    ? Console.log(JSON.stringify({ mode: options.mode, size, runs: reports }, null, 2))
    : Console.log(`${reports.length - failed.length} of ${reports.length} runs kept every promise`)
  if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
})

/** Standard output is the document's. */
const toStandardError = Logger.layer([
  Logger.make((entry) => void process.stderr.write(`${Logger.formatLogFmt.log(entry)}\n`))
])

/** Runs the soak of a domain; each has its own options. */
const program = Effect.suspend((): Effect.Effect<void, unknown, Scope.Scope> => {
  switch (process.argv[2]) {
    case "search":
      return SearchSoak.program
    case "api":
      return ApiSoak.program
    case "audit":
      return AuditSoak.program
    case "errors":
      return ErrorSoak.program
    case "quotas":
      return QuotaSoak.program
    case "webhooks":
      return WebhookSoak.program
    case "workflows":
      return WorkflowSoak.program
    case "notifications":
      return NotificationSoak.program
    default:
      return events
  }
})

Main.run(program.pipe(Effect.scoped, Effect.provide(toStandardError)))
