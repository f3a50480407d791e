/**
 * Our workflows in `bench workflows`: the process that the harness forks, beside `peers/dbos.js`. The same program, by
 * `defineWorkflow` or with Effect, with or without a write per step.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Migrations from "@hypermarket/core/Migrations"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrations } from "@hypermarket/events/EventsMigrations"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"

const Settings = Schema.Struct({
  executions: Schema.Int,
  steps: Schema.Int,
  /** Executions in flight. */
  atOnce: Schema.Int,
  pool: Schema.Int,
  writes: Schema.Boolean,
  /** The write commits with the step. */
  isTransactional: Schema.optionalKey(Schema.Boolean)
})

const settings = Effect.all({
  url: Config.String("DATABASE_URL"),
  settings: Effect.flatMap(
    Config.String("BENCH_SETTINGS"),
    Schema.decodeUnknownEffect(Schema.fromJsonString(Settings))
  )
})

const send = (message: Readonly<Record<string, unknown>>) => Effect.sync(() => void process.send?.(message))

const Program = Workflow.make("program", {
  payload: { key: Schema.String },
  idempotencyKey: ({ key }) => key,
  success: Schema.String
})

const untilTold = Effect.callback<void>((resume) => {
  process.once("message", () => resume(Effect.void))
  process.send?.({ _tag: "Ready" })
})

const program = Effect.gen(function* () {
  const { settings: all, url } = yield* settings
  const options = { ...TestDatabase.optionsOf(url), poolMax: all.pool }
  yield* Migrations.run([CoreDomain.migrations, migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const live = Program.toLayer(
    Effect.fnUntraced(function* ({ key }) {
      const sql = yield* SqlClient.SqlClient
      for (let n = 0; n < all.steps; n++) {
        const name = `step ${n}`
        yield* Activity.make({
          name,
          success: Schema.String,
          execute: all.writes
            ? Effect.orDie(sql`INSERT INTO bench_write (entry) VALUES (${`${key} ${n}`})`).pipe(
                Effect.as(name)
              )
            : Effect.succeed(name)
        }).annotate(EventWorkflow.Transactional, all.isTransactional === true)
      }
      return key
    })
  ).pipe(
    Layer.provideMerge(EventWorkflow.layerWorker()),
    Layer.provideMerge([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
    Layer.provideMerge(Database.layer(options, "hm-bench"))
  )
  return yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS bench_write (entry text NOT NULL)`
    const run = (from: number, count: number) =>
      Effect.forEach(
        Array.from({ length: count }, (_, n) => `execution ${from + n}`),
        (key) => Program.execute({ key }),
        { concurrency: all.atOnce, discard: true }
      )
    yield* run(0, Math.min(all.atOnce, all.executions))
    yield* untilTold
    const startedAt = performance.now()
    yield* run(1_000_000, all.executions)
    yield* send({
      _tag: "Took",
      millis: performance.now() - startedAt,
      jobs: all.executions * all.steps
    })
    return yield* Effect.never
  }).pipe(Effect.provide(live), provide(TenantId.make("bench")))
})

Main.run(Effect.scoped(program).pipe(Effect.provide(Shutdown.layer)))
