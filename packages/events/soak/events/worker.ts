/**
 * A worker process of a run, started, killed and frozen by `Crew`. It says what it did in one table, `soak_effect`.
 */
import * as Database from "@hypermarket/core/Database"
import * as Domain from "@hypermarket/core/Domain"
import * as Main from "@hypermarket/core/Main"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Subscription from "@hypermarket/core/Subscription"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { prefix } from "@hypermarket/events/Events"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import type { QueueTablesOutdated } from "@hypermarket/queue/QueueMigrations"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import { environment as common, leaseMillis, stallMillis, up } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Hostile from "./hostile/handlers.ts"
import { leaseMillis as hostileLeaseMillis } from "./hostile/Plan.ts"
import * as Ledger from "./Ledger.ts"
import { queues } from "./Plan.ts"
import { attemptsMaxGood, batchMax, claimConcurrency, environment, modes } from "./settings.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { n: Schema.Int }) {}

const settings = Config.all({
  url: Config.String(common.url),
  mode: Config.Literals(modes, environment.mode),
  worker: Config.Int(common.worker),
  marks: Config.String(environment.marks)
})

const decode = Schema.decodeUnknownEffect(Ledger.Payload)

/** A job's work takes a moment, so that kills meet it. */
const workMillis = 2

/** Holds up the whole process, timers and heartbeats included, once for each job. */
const stallOnce = (marks: string, n: number) => {
  const mark = Path.join(marks, String(n))
  if (Fs.existsSync(mark)) return
  Fs.writeFileSync(mark, "")
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMillis)
}

const runJobs = (worker: number, marks: string) =>
  Effect.fnUntraced(function* (jobs: ReadonlyArray<QueueJob.LeasedJob>) {
    const payloads = yield* Effect.forEach(jobs, ({ payload }) => decode(payload))
    if (payloads.some(({ kind }) => kind === "poison")) process.kill(process.pid, "SIGKILL")
    for (const [index, { kind, n }] of payloads.entries()) {
      const isFirst = jobs[index]?.attempt === 0
      if (kind === "fails_always" || (kind === "fails_once" && isFirst)) return yield* new Refused({ n })
    }
    yield* Effect.sleep(workMillis)
    yield* Ledger.recordEffects(
      jobs[0]?.tenantId ?? "",
      worker,
      payloads.map(({ n }) => n)
    )
    for (const { kind, n } of payloads) if (kind === "stalls") stallOnce(marks, n)
  })

const handlerOf = (
  queue: (typeof queues)[number],
  run: ReturnType<typeof runJobs>
): QueueJob.Handler<SqlClient.SqlClient> => ({
  queue,
  batchMax: queue === "soak.each" ? 1 : 10,
  concurrency: 8,
  transactional: queue === "soak.once",
  retry: { attempts: attemptsMaxGood, base: "30 millis", max: "300 millis" },
  deadline: "30 seconds",
  run
})

/** The publish run goes the whole way: a domain's subscription, as the worker app runs it. */
const subscriber = (worker: number) =>
  Domain.make({
    name: "soak",
    tables: [],
    layer: Layer.empty,
    migrations: Migrations.make("soak", {}, { release: "0.0.0" }),
    subscriptions: [
      Subscription.make<Tenant | SqlClient.SqlClient>({
        name: Ledger.subscriptionName,
        types: [Ledger.eventType],
        handler: (events) =>
          Effect.flatMap(Tenant, (tenant) =>
            Ledger.recordEffects(
              tenant.id,
              worker,
              events.map(({ id }) => Number(id))
            )
          )
      })
    ]
  })

const reconnect = Schedule.spaced("100 millis")

const program = Effect.gen(function* () {
  const { marks, mode, url, worker } = yield* settings
  const options = TestDatabase.optionsOf(url)
  const layer = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options, "hm-soak-worker"))
  )
  const run: Effect.Effect<
    void,
    SqlError | QueueTablesOutdated | Config.ConfigError,
    Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup.Wakeup
  > =
    mode === "publish"
      ? EventWorker.run({ domains: [subscriber(worker)], queue: { claimConcurrency, lease: leaseMillis } })
      : WorkQueueWorker.run<SqlClient.SqlClient | Wakeup.Wakeup>({
          prefix,
          handlers: [
            ...queues.map((queue) => handlerOf(queue, runJobs(worker, marks))),
            ...(mode === "hostile" ? Hostile.handlers : [])
          ],
          batchMax,
          claimConcurrency,
          lease: mode === "hostile" ? hostileLeaseMillis : leaseMillis
        })
  // Postgres may be away when a worker starts.
  const context = yield* Effect.retry(Layer.build(layer), reconnect)
  yield* Effect.retry(run, reconnect).pipe(Effect.provideContext(context))
  process.stdout.write(`${up}\n`)
  return yield* Effect.forever(Effect.sleep("1 hour"))
})

Main.run(Effect.scoped(program))
