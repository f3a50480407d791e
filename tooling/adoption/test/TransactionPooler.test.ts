import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { retryDefault } from "@hypermarket/core/Job"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events } from "@hypermarket/events/Events"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type { Handler, LeasedJob } from "@hypermarket/queue/QueueJob"
import * as Command from "@hypermarket/testing/Command"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Option, PubSub, Redacted, Schedule, Schema, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as Path from "node:path"
import { describe } from "vitest"
import * as PgBouncer from "./suites/pgBouncer.ts"

/** How a process behind the pooler is configured, and the command run with that configuration. */
class Pooled extends Context.Service<
  Pooled,
  {
    readonly options: Database.Options
    readonly command: (name: string, ...args: ReadonlyArray<string>) => Effect.Effect<Command.Finished>
  }
>()("@hypermarket/adoption/Pooled") {}

const cli = Path.resolve(import.meta.dirname, "../../../apps/cli/src/main.ts")

const layerPooled = (program: string) =>
  Layer.effect(
    Pooled,
    Effect.gen(function* () {
      const { options, url } = yield* TestDatabase.TestDatabase
      const services = yield* Effect.context<Layer.Success<typeof NodeServices.layer>>()
      const pooledUrl = yield* PgBouncer.start(program, url)
      const env = {
        PATH: process.env["PATH"] ?? "",
        DATABASE_URL: pooledUrl,
        DATABASE_DIRECT_URL: url,
        HM_DATABASE_PREPARE: "false"
      }
      const command = (...args: ReadonlyArray<string>) =>
        Effect.orDie(Command.run(process.execPath, [cli, ...args], { cwd: "/", env })).pipe(
          Effect.provideContext(services)
        )
      const migrated = yield* command("migrate")
      assert.strictEqual(migrated.code, 0, migrated.stderr)
      return {
        command,
        options: { ...options, url: Redacted.make(pooledUrl), prepare: false, poolMax: 10 }
      }
    })
  ).pipe(Layer.provideMerge(TestDatabase.layerDatabase()), Layer.provide(NodeServices.layer))

const services = Layer.mergeAll(Events.layer, EventSubscriptions.layer, JobSchedules.layer)

/** The layers of a worker or an API process, with the pool behind the pooler. */
const layerProcess = Layer.unwrap(
  Effect.map(Pooled, ({ options }) => {
    const direct = Layer.merge(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options))
    return services.pipe(
      Layer.provideMerge(direct),
      Layer.provideMerge(Database.layer(options, "behind-pooler"))
    )
  })
)

const asTenant = Tenant.provide(Tenant.TenantId.make("acme"))

const type = "com.example.order.placed.v1"
const published = 200

/** Runs a queue with a handler that notes what it gets, until `done` says so. */
const work = (
  queue: string,
  handle: (job: LeasedJob) => Effect.Effect<void, unknown, SqlClient.SqlClient>,
  transactional: boolean
): Effect.Effect<void, unknown, Layer.Success<typeof layerProcess> | Scope.Scope> => {
  const handler: Handler<SqlClient.SqlClient> = {
    queue,
    batchMax: transactional ? 50 : 1,
    concurrency: transactional ? 1 : 8,
    transactional,
    retry: { ...retryDefault, base: "10 millis", max: "50 millis" },
    deadline: "30 seconds",
    run: (jobs) => Effect.forEach(jobs, handle, { discard: true })
  }
  return EventWorker.run({ domains: [], handlers: [handler] })
}

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("20 millis") })

const Findings = Schema.fromJsonString(
  Schema.Struct({
    findings: Schema.Array(
      Schema.Struct({ check: Schema.String, status: Schema.String, message: Schema.String })
    )
  })
)

const suite = (program: string) =>
  layer(layerProcess.pipe(Layer.provideMerge(layerPooled(program)), Layer.orDie), {
    excludeTestServices: true
  })("behind PgBouncer in transaction mode", (it) => {
    it.effect("refuses a client that sends its settings at start, as one without a pooler does", () =>
      Effect.gen(function* () {
        const { options } = yield* Pooled
        const refused = yield* Effect.flip(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`).pipe(
            Effect.provide(Layer.fresh(Database.layer({ ...options, prepare: true })))
          )
        )
        assert.include(String(refused.reason.cause), "unsupported startup parameter")
      })
    )

    it.effect("finds the settings of the sessions on the role, and doctor tells one that is missing", () =>
      Effect.gen(function* () {
        const { command, options } = yield* Pooled
        const sql = yield* SqlClient.SqlClient
        const settings = Effect.gen(function* () {
          // Before a worker has run, other checks of it may fail.
          const { stdout } = yield* command("doctor", "--json")
          const { findings } = yield* Schema.decodeEffect(Findings)(stdout)
          return findings
            .filter(({ check }) => check === "session settings")
            .map(({ message, status }) => `${status} ${message}`)
        })
        const wanted = [
          "ok idle_in_transaction_session_timeout = 30000",
          "ok jit = off",
          "ok lock_timeout = 5000",
          "ok search_path = public",
          "ok statement_timeout = 30000",
          "ok TimeZone = UTC"
        ]
        assert.sameMembers([...(yield* settings)], wanted)

        const database = yield* sql<{ readonly text: string }>`
            SELECT format('ALTER ROLE %I IN DATABASE %I', current_user, current_database()) AS text
          `
        const alter = sql.unsafe(`${database[0]?.text} RESET lock_timeout`)
        yield* alter
        // Sessions that the pooler holds keep what they began with.
        yield* Effect.flatMap(
          SqlClient.SqlClient,
          (direct) => direct`
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name IN ('behind-pooler', 'hypermarket-doctor')
          `
        ).pipe(Effect.provide(Layer.fresh(Database.layerDirect(options))))
        assert.include(yield* settings, "warn lock_timeout = 0 instead of 5000")
        const { code } = yield* command("migrate")
        assert.strictEqual(code, 0)
      })
    )

    it.effect(
      "publishes in transactions, shares few connections, and handles each event once, with its writes",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const events = yield* Events
          yield* sql`CREATE TABLE handled (job_id text PRIMARY KEY, subject text NOT NULL)`
          yield* Effect.flatMap(EventSubscriptions, (subscriptions) =>
            subscriptions.create({
              name: "orders",
              queue: "orders",
              filters: [{ exact: { type } }],
              ordered: true
            })
          )
          const publish = (n: number) =>
            sql.withTransaction(
              Effect.gen(function* () {
                yield* events.publish([
                  {
                    specversion: "1.0",
                    id: `o-${n}`,
                    source: "/shop",
                    type,
                    subject: `customer ${n % 7}`,
                    data: n
                  }
                ])
                // Every tenth order is given up: its event must not be there.
                if (n % 10 === 0) return yield* Effect.fail("given up")
              })
            )
          const ns = Array.from({ length: published }, (_, n) => n)
          yield* Effect.forEach(ns, (n) => Effect.exit(publish(n)), { concurrency: 20 })
          const [shared] = yield* sql<{ readonly connections: number }>`
            SELECT count(*)::int AS connections
              FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'behind-pooler'
          `
          assert.isAtMost(shared?.connections ?? Infinity, PgBouncer.serverConnectionsMax)

          yield* work(
            "orders",
            ({ jobId, payload }) =>
              Effect.flatMap(
                SqlClient.SqlClient,
                (sql) => sql`INSERT INTO handled VALUES (${jobId}, ${JSON.stringify(payload)})`
              ),
            true
          )
          const handled = Effect.map(
            sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM handled`,
            ([row]) => row?.n ?? 0
          )
          yield* until(Effect.map(handled, (n) => n >= published - published / 10))
          assert.strictEqual(yield* handled, published - published / 10)
        }).pipe(asTenant)
    )

    it.effect("tries a failed job again", () =>
      Effect.gen(function* () {
        const events = yield* Events
        yield* Effect.flatMap(EventSubscriptions, (subscriptions) =>
          subscriptions.create({ name: "flaky", queue: "flaky", filters: [{ exact: { type: "flaky" } }] })
        )
        yield* events.publish([{ specversion: "1.0", id: "f", source: "/shop", type: "flaky" }])
        const attempts: Array<number> = []
        yield* work(
          "flaky",
          ({ attempt }) =>
            Effect.andThen(
              Effect.sync(() => attempts.push(attempt)),
              attempt < 2 ? Effect.fail("not yet") : Effect.void
            ),
          false
        )
        yield* until(Effect.sync(() => attempts.length >= 3))
        assert.deepStrictEqual(attempts, [0, 1, 2])
      }).pipe(asTenant)
    )

    it.effect("runs a schedule", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const schedules = yield* JobSchedules
        const payloads: Array<unknown> = []
        yield* work("reports", ({ payload }) => Effect.sync(() => payloads.push(payload)), false)
        const { scheduleId } = yield* schedules.create({
          name: "report",
          queue: "reports",
          type: "report",
          payload: { of: "today" },
          everySeconds: 3600
        })
        yield* sql`
          UPDATE hm_job_scheduler
             SET next_at = recorded_at
           WHERE schedule_id = ${scheduleId}::uuid
        `
        yield* until(Effect.sync(() => payloads.length > 0))
        assert.deepStrictEqual(payloads, [{ of: "today" }])
      }).pipe(asTenant)
    )

    it.effect("hears wake-ups over the direct connection", () =>
      Effect.gen(function* () {
        const { signals } = yield* Wakeup.Wakeup
        const elsewhere = Context.get(yield* Layer.build(Wakeup.layerSend), Wakeup.Wakeup)
        const sql = yield* SqlClient.SqlClient
        const heard = yield* signals
        const next = PubSub.take(heard).pipe(Effect.repeat({ until: (signal) => signal?.channel === "test" }))
        // Until it is heard: the connection that listens may still be on its way.
        const signal = yield* sql
          .withTransaction(elsewhere.signal("test", "hello"))
          .pipe(
            Effect.andThen(Effect.timeoutOption(next, "100 millis")),
            Effect.repeat({ until: Option.isSome })
          )
        assert.deepStrictEqual(Option.getOrUndefined(signal), { channel: "test", payload: "hello" })
      }).pipe(Effect.scoped)
    )
  })

const { binary } = PgBouncer
const absence = "skipped, since pgbouncer is not installed (apt-get install pgbouncer)"

describe.skipIf(binary === undefined)(`PgBouncer${binary === undefined ? `: ${absence}` : ""}`, () => {
  suite(binary ?? absence)
})
