import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Ddl from "@hypermarket/core/Ddl"
import { Now, now } from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Privileges from "@hypermarket/core/Privileges"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as Startup from "@hypermarket/installation/Startup"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, DateTime, Effect, Layer, Logger, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as Path from "node:path"

const schema = "hm"

/** The three roles of an installation in a database of their own, and the settings of its processes. */
class Roles extends Context.Service<
  Roles,
  { readonly options: Database.Options; readonly urls: Readonly<Record<"owner" | "app" | "read", string>> }
>()("@hypermarket/worker/test/Roles") {}

const layerRoles = Layer.effect(
  Roles,
  Effect.gen(function* () {
    const { options } = yield* TestDatabase.TestDatabase
    const sql = yield* PgClient.PgClient
    const suffix = randomUUID().replaceAll("-", "").slice(0, 12)
    const names = { owner: `hm_owner_${suffix}`, app: `hm_app_${suffix}`, read: `hm_read_${suffix}` }
    const urls = {
      owner: yield* TestDatabase.loginRole(names.owner),
      app: yield* TestDatabase.loginRole(names.app),
      read: yield* TestDatabase.loginRole(names.read)
    }
    yield* sql`CREATE SCHEMA ${sql(schema)} AUTHORIZATION ${sql(names.owner)}`
    const app = Redacted.make(urls.app)
    const settings = { ...options, schema, url: app, directUrl: app, ownerUrl: Redacted.make(urls.owner) }
    yield* Startup.migrate(settings)
    yield* Startup.grant(settings, { api: names.app, read: names.read })
    return { options: settings, urls }
  })
).pipe(Layer.provideMerge(TestDatabase.layer()))

const as = (part: "owner" | "app" | "read") =>
  Effect.provide(
    Layer.fresh(
      Layer.unwrap(
        Effect.map(Roles, ({ options, urls }) =>
          Database.layerDirect({ ...options, directUrl: Redacted.make(urls[part]) }, "hm-test-role")
        )
      )
    )
  )

const statement = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))

const denied = (text: string) =>
  Effect.map(Effect.flip(statement(text)), (error) => error.reason._tag === "AuthorizationError")

const script = Path.resolve(import.meta.dirname, "../src/main.ts")

layer(layerRoles, { excludeTestServices: true })("owner, application and reader", (it) => {
  it.effect(
    "the application starts without migrating, publishes, and has every privilege that doctor tries",
    () =>
      Effect.gen(function* () {
        const { options } = yield* Roles
        assert.deepStrictEqual(yield* Startup.migrate({ ...options, ownerUrl: options.url }), [])
        const findings = yield* as("app")(Privileges.check.run)
        assert.deepStrictEqual(
          findings.map(({ status }) => status),
          ["ok"]
        )
        const receipts = yield* Effect.flatMap(Events, (events) =>
          events.publish([
            {
              specversion: "1.0",
              id: "e-1",
              source: "/shop",
              type: "com.example.order.v1",
              time: DateTime.makeUnsafe("2026-11-28T12:00:00Z"),
              data: {}
            }
          ])
        ).pipe(
          provide(TenantId.make("acme")),
          Effect.provide(EventsDomain.layer.pipe(Layer.provide(Wakeup.layerSilent))),
          as("app")
        )
        assert.lengthOf(receipts, 1)
        assert.match(yield* as("app")(Database.identity), /^\d+\//)
        assert.isTrue(yield* as("app")(denied("CREATE TABLE hm.hm_more (tenant_id text)")))
        assert.isTrue(yield* as("app")(denied("UPDATE hm_core_migrations SET checksum = 'x'")))
      })
  )

  it.effect("the application may use what the owner makes later, without a further grant", () =>
    Effect.gen(function* () {
      yield* as("owner")(
        statement(
          "CREATE TABLE hm_later (tenant_id text PRIMARY KEY, seq bigint GENERATED ALWAYS AS IDENTITY)"
        )
      )
      yield* as("app")(statement("INSERT INTO hm_later (tenant_id) VALUES ('acme')"))
    })
  )

  it.effect("the reader reads figures, and neither keys nor payloads", () =>
    Effect.gen(function* () {
      for (const text of [
        "SELECT tenant_id, plan FROM hm_tenant",
        "SELECT count(*) FROM hm_order_line",
        "SELECT queue, count(*) FROM hm_event_queue GROUP BY 1"
      ]) {
        yield* as("read")(statement(text))
      }
      for (const text of [
        "SELECT * FROM hm_api_key",
        "SELECT answer FROM hm_idempotency_key",
        "SELECT payload FROM hm_event_queue",
        "SELECT payloads FROM hm_event_lease",
        "SELECT * FROM hm_event_body",
        "SELECT * FROM hm_event_body_default",
        "SELECT errors FROM hm_event_dead",
        "DELETE FROM hm_tenant"
      ]) {
        assert.isTrue(yield* as("read")(denied(text)), text)
      }
    })
  )

  it.effect("a privilege that was left out is named by doctor", () =>
    Effect.gen(function* () {
      const { options } = yield* Roles
      const [, app = ""] = /\/\/([^:@/]+)/.exec(Redacted.value(options.url)) ?? []
      yield* as("owner")(statement(`REVOKE USAGE ON SEQUENCE hm_event_seq FROM ${app}`))
      yield* as("owner")(statement(`REVOKE DELETE ON hm_event_lease FROM ${app}`))
      const findings = yield* as("app")(Privileges.check.run)
      assert.deepStrictEqual(
        findings.map(({ message, status }) => [status, message]),
        [
          ["fail", `the role ${app} lacks DELETE on hm_event_lease`],
          ["fail", `the role ${app} lacks USAGE on hm_event_seq`]
        ]
      )
      yield* Startup.grant(options, { api: app })
      assert.deepStrictEqual((yield* as("app")(Privileges.check.run))[0]?.status, "ok")
    })
  )

  it.effect("partitions are made over the owner's connection, and left alone without one", () =>
    Effect.gen(function* () {
      const { options } = yield* Roles
      yield* as("owner")(
        statement(`
          CREATE TABLE hm_days (tenant_id text, day date, PRIMARY KEY (tenant_id, day)) PARTITION BY RANGE (day)
        `)
      )
      yield* as("owner")(statement("CREATE TABLE hm_days_default PARTITION OF hm_days DEFAULT"))
      const days = Partitions.make({ table: "hm_days", by: "day", every: "day", ahead: 4 })
      const maintained = (ownerUrl: Redacted.Redacted) =>
        Partitions.job([days])
          .run(null)
          .pipe(
            Effect.provide(Ddl.layer(Database.layerDdl({ ...options, ownerUrl }))),
            Effect.provideService(AllTenants, { actor: "test" }),
            as("app")
          )
      const status = Effect.map(as("app")(Partitions.check([days]).run), (findings) => findings[0]?.status)
      yield* maintained(options.url)
      assert.strictEqual(yield* status, "fail")
      yield* maintained(options.ownerUrl)
      assert.strictEqual(yield* status, "ok")
    })
  )

  it.effect(
    "a worker says when it starts that it leaves partitions alone, and does not when it owns them",
    () =>
      Effect.gen(function* () {
        const { options, urls } = yield* Roles
        const warning = "this worker leaves their partitions alone"
        const saidWith = Effect.fnUntraced(function* (ownerUrl: Redacted.Redacted) {
          const said: Array<string> = []
          const logger = Logger.make(({ message }) => void said.push(String(message)))
          yield* Effect.void.pipe(
            Effect.provide(Startup.layerDdl({ ...options, ownerUrl })),
            Effect.provide(Logger.layer([logger]))
          )
          return said.filter((line) => line.includes(warning)).length
        })
        assert.strictEqual(yield* saidWith(options.url), 1)
        assert.strictEqual(yield* saidWith(options.ownerUrl), 0)
        const port = yield* ServiceProcess.freePort
        const service = yield* ServiceProcess.start(script, [], {
          DATABASE_URL: urls.app,
          HM_DATABASE_SCHEMA: schema,
          HM_WORKER_PORT: String(port)
        })
        yield* Effect.sync(() => service.log().includes(warning)).pipe(
          Effect.repeat({ until: (isSaid) => isSaid, schedule: Schedule.spaced("20 millis") })
        )
      }).pipe(Effect.scoped)
  )

  it.effect("partitions for less than three days ahead are a warning, for less than one a failure", () =>
    Effect.gen(function* () {
      yield* as("owner")(
        statement(
          "CREATE TABLE hm_week (tenant_id text, day date, PRIMARY KEY (tenant_id, day)) PARTITION BY RANGE (day)"
        )
      )
      yield* as("owner")(statement("CREATE TABLE hm_week_default PARTITION OF hm_week DEFAULT"))
      const days = Partitions.make({ table: "hm_week", by: "day", every: "day", ahead: 7 })
      yield* as("owner")(Partitions.maintain(days))
      const dayMillis = 86_400_000
      const statusAfter = (later: number) =>
        Effect.map(now, (current) => new Date(current.getTime() + later * dayMillis)).pipe(
          Effect.flatMap((then) =>
            Partitions.check([days]).run.pipe(Effect.provideService(Now, Effect.succeed(then)), as("app"))
          ),
          Effect.map((findings) => findings[0]?.status)
        )
      assert.strictEqual(yield* statusAfter(0), "ok")
      assert.strictEqual(yield* statusAfter(4), "ok")
      assert.strictEqual(yield* statusAfter(6), "warn")
      assert.strictEqual(yield* statusAfter(8), "fail")
    })
  )
})
