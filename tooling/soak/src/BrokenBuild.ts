/**
 * The harness is worth nothing until it fails: it is run on a copy of the source tree in which one clause, the one that
 * gives the guarantee, is taken out.
 */
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cluster from "./Cluster.ts"
import type * as AuditRun from "./audit/AuditRun.ts"
import type * as ErrorRun from "./errors/ErrorRun.ts"
import type { Violation } from "./Ledger.ts"

/** Those of `pnpm soak events`. */
export const kinds = ["notice", "fencing", "order", "deadline", "describing"] as const

export type Kind = (typeof kinds)[number] | "horizon" | "acknowledgement" | "adoption" | "wake" | "sweep"

interface Clause {
  readonly file: string
  readonly text: string
  readonly instead: string
}

interface Break {
  readonly clauses: ReadonlyArray<Clause>
  /** The rule that is then found broken; undefined when none may be. */
  readonly rule: Violation["rule"] | AuditRun.Violation["rule"] | ErrorRun.Violation["rule"] | undefined
  /** Arguments of the run, without the seed. */
  readonly args: ReadonlyArray<string>
}

/** Few jobs suffice, and none of what takes its time; a kill could meet the very worker that is to come back too late. */
const few = ["--jobs", "600", "--incidents", "0", "--poison", "0"]
const killing = ["events", "--mode", "kill", ...few]
const hostile = ["events", "--mode", "hostile", ...few]

const errors = ["errors", "--rounds", "1", "--outage", "5", "--senders", "8"]

/** A heartbeat that finds its lease gone stops the handlers: then hardly any of them gets as far as the fence. */
const notice: Clause = {
  file: "packages/queue/src/internal/housekeeping.ts",
  text: "batch.lost.openUnsafe()",
  instead: "continue"
}

const breaks: Readonly<Record<Kind, Break>> = {
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
  },
  // The job of a wake-up is enqueued after the transaction of what it waits for, and not in it.
  wake: {
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
  },
  // What is due after a failure is not dispatched: it waits until another attempt or event of the tenant does.
  sweep: {
    clauses: [
      {
        file: "packages/events/src/WebhookSender.ts",
        text: "return { count: yield* dispatch, hasMore: false }",
        instead: "return { count: 0, hasMore: false }"
      }
    ],
    rule: "overdue",
    args: ["webhooks", "--events", "120", "--incidents", "3", "--pause", "2000"]
  },
  // Sealing looks at rows after the newest one under a checkpoint: a row that commits late is left out.
  horizon: {
    clauses: [
      {
        file: "packages/platform/src/audit/statements.ts",
        text: "log.activity_id NOT IN (\n             SELECT unnest(activity_ids)",
        instead: "log.recorded_at > ALL (\n             SELECT last_recorded_at"
      }
    ],
    rule: "not_exactly_one",
    args: ["audit", "--seconds", "10"]
  },
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
    args: errors
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
    args: errors
  }
}

/** A clause is not there, or there twice: the copy would prove nothing. */
export class BreakDoesNotApply extends Schema.TaggedError<BreakDoesNotApply>()("BreakDoesNotApply", {
  message: Schema.String
}) {}

/** The harness found another thing than it must, or nothing. */
export class FoundWrong extends Schema.TaggedError<FoundWrong>()("FoundWrong", {
  message: Schema.String
}) {}

const root = Path.resolve(import.meta.dirname, "../../..")

/** The packages that the harness and its workers run from. */
const packages = [
  "packages/core",
  "packages/events",
  "packages/platform",
  "packages/queue",
  "tooling/embedded-postgres",
  "tooling/testing",
  "tooling/soak"
]

/** API and worker run from all of them. */
const everything = [
  ...Fs.readdirSync(Path.join(root, "packages")).map((name) => `packages/${name}`),
  ...["api", "installation", "worker"].map((name) => `apps/${name}`),
  ...packages.filter((name) => name.startsWith("tooling/"))
]

const linkAll = (from: string, to: string, own: ReadonlyMap<string, string>) => {
  Fs.mkdirSync(to, { recursive: true })
  for (const name of Fs.readdirSync(from)) {
    if (name.startsWith(".")) continue
    if (name === "@hypermarket") {
      linkAll(Path.join(from, name), Path.join(to, name), own)
      continue
    }
    const target = Fs.realpathSync(Path.join(from, name))
    Fs.symlinkSync(
      own.get(target) ?? (name.startsWith("@") ? Path.join(from, name) : target),
      Path.join(to, name)
    )
  }
}

/** Copies sources; what they import from us is the copy, everything else the installed package. */
const copyTree = (to: string, copied: ReadonlyArray<string>) => {
  const own = new Map(copied.map((name) => [Fs.realpathSync(Path.join(root, name)), Path.join(to, name)]))
  for (const name of copied) {
    const from = Path.join(root, name)
    Fs.cpSync(Path.join(from, "src"), Path.join(to, name, "src"), { recursive: true })
    Fs.cpSync(Path.join(from, "package.json"), Path.join(to, name, "package.json"))
    linkAll(Path.join(from, "node_modules"), Path.join(to, name, "node_modules"), own)
  }
}

const takeOut = (to: string, clause: Clause) =>
  Effect.suspend(() => {
    const file = Path.join(to, clause.file)
    const parts = Fs.readFileSync(file, "utf8").split(clause.text)
    if (parts.length !== 2) {
      return Effect.fail(
        new BreakDoesNotApply({
          message: `${clause.file} has this clause ${parts.length - 1} times, not once: ${clause.text}`
        })
      )
    }
    return Effect.sync(() => Fs.writeFileSync(file, parts.join(clause.instead)))
  })

const Document = Schema.fromJsonString(
  Schema.Struct({
    runs: Schema.Array(
      Schema.Struct({
        violations: Schema.Array(
          Schema.Struct({ rule: Schema.String, count: Schema.Int, example: Schema.String })
        )
      })
    )
  })
)

/** Runs the harness on the broken copy, and fails unless it finds what it must. Gives what it found. */
export const check = Effect.fn("BrokenBuild.check")(function* (kind: Kind, seed: number) {
  const { args, clauses, rule } = breaks[kind]
  const folder = yield* Cluster.temporaryFolder(`without-${kind}`)
  yield* Effect.sync(() => copyTree(folder, args === errors ? everything : packages))
  yield* Effect.forEach(clauses, (clause) => takeOut(folder, clause), { discard: true })
  const service = yield* ServiceProcess.start(
    Path.join(folder, "tooling/soak/src/main.ts"),
    [...args, "--json", "--seed", String(seed)],
    {}
  )
  const exit = yield* service.exit
  const document = yield* Schema.decodeEffect(Document)(service.output()).pipe(
    Effect.mapError(() => new FoundWrong({ message: `it ended with ${exit.code}: ${service.log()}` }))
  )
  const found = document.runs.flatMap(({ violations }) => violations)
  const isRight = rule === undefined ? found.length === 0 : found.some((violation) => violation.rule === rule)
  if (!isRight || exit.code !== (found.length === 0 ? 0 : 1)) {
    return yield* new FoundWrong({
      message: `without ${kind} the harness ended with ${exit.code} and found ${JSON.stringify(found)}`
    })
  }
  return found
}, Effect.scoped)
