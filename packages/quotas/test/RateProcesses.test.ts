/** Processes on one key: what they admit together, whatever happens to one of them. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Path from "node:path"
import { patient } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const script = Path.join(import.meta.dirname, "suites/rateProcess.ts")
const rate = 300
/** Full after an hour: until then no token is lost, however long a busy machine keeps the callers waiting. */
const burst = 3_600 * rate
/** The part of it that the processes find. */
const room = 4_500
/** A policy that is raised tenfold. */
const lowRate = rate / 10
const lowBurst = 450
const raisedBurst = 10 * lowBurst
/** Tokens are used at most so much later than they were charged. */
const lifeSeconds = 0.1
/** A tenant per test: a policy of one would count in the other. */
const asTenant = (tenant: string) => provide(TenantId.make(tenant))

const start = Effect.fnUntraced(function* (tenant: string, clock = "right") {
  const { url } = yield* TestDatabase
  const args = [url, tenant, String(rate), String(burst), clock]
  return yield* ServiceProcess.start(script, args, { HM_QUOTAS_CHECK_DEADLINE: "60 seconds" })
})

/** The last line says how many were admitted. */
const admittedBy = (service: ServiceProcess.ServiceProcess): number =>
  Number(service.output().trim().split("\n").at(-1) ?? "")

const sumOf = (processes: ReadonlyArray<ServiceProcess.ServiceProcess>): number =>
  processes.reduce((sum, process) => sum + admittedBy(process), 0)

/** The seconds by the database's clock since the first request can have come. */
const databaseSeconds = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly now: number }>`SELECT extract(epoch FROM clock_timestamp())::float8 AS now`,
    ([row]) => row?.now ?? 0
  )
)

const poll = Effect.sleep("10 millis")

const allAdmitted = (processes: ReadonlyArray<ServiceProcess.ServiceProcess>) =>
  Effect.repeat(poll, { until: () => processes.every((process) => admittedBy(process) > 0) })

/** Ends the processes, each once it finds the bucket empty. */
const end = Effect.fnUntraced(function* (processes: ReadonlyArray<ServiceProcess.ServiceProcess>) {
  yield* Effect.forEach(processes, (process) => process.signal("SIGTERM"), { discard: true })
  yield* Effect.forEach(
    processes,
    (process) => Effect.map(process.exit, ({ code }) => assert.strictEqual(code, 0, process.log())),
    { discard: true }
  )
})

const emptied = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    DELETE FROM hm_api_rate_limit
  `
)

layer(TestLayer, { excludeTestServices: true })("three processes on one key", (it) => {
  it.effect(
    "admit at most burst + rate x time and at least 97 % of it, one of them with a clock that jumps by hours",
    () =>
      Effect.gen(function* () {
        yield* emptied
        const limits = yield* RateLimits
        const hot = yield* limits.limiter({ name: "hot", rate, burst, per: "1 second" })
        const before = yield* databaseSeconds
        assert.isTrue((yield* hot.take("everybody", burst - room)).allowed)
        const begun = yield* databaseSeconds
        const processes = [yield* start("clocks"), yield* start("clocks"), yield* start("clocks", "wrong")]
        yield* allAdmitted(processes)
        yield* Effect.sleep("10 seconds")
        yield* end(processes)
        const ended = yield* databaseSeconds
        const { remaining } = yield* hot.peek("everybody")
        const after = yield* databaseSeconds
        const admitted = sumOf(processes)
        assert.isAtMost(admitted, room + rate * (after - before + lifeSeconds))
        // Of all that the bucket has given, by its own clock. What came after the last of them had asked is still there.
        const given = room + rate * (ended - begun) - remaining
        assert.isAtLeast(admitted, room)
        assert.isAtLeast(admitted, 0.97 * given)
        yield* Effect.logInfo(`${admitted} admitted of ${given}, ${remaining} left`)
      }).pipe(Effect.scoped, asTenant("clocks"))
  )

  it.effect("admit at most both bounds when one is killed and the policy is raised tenfold half-way", () =>
    Effect.gen(function* () {
      yield* emptied
      const limits = yield* RateLimits
      const policy = yield* limits.createPolicy({
        policy: "hot",
        kind: "gcra",
        quota: lowRate,
        burst: lowBurst,
        periodMillis: 1_000,
        by: ["user"]
      })
      const before = yield* databaseSeconds
      const processes = [yield* start("raised"), yield* start("raised"), yield* start("raised")]
      const [killed, ...others] = processes
      yield* allAdmitted(processes)
      yield* Effect.sleep("2 seconds")
      yield* killed?.signal("SIGKILL") ?? Effect.void
      yield* Effect.sleep("2 seconds")
      const earlier = sumOf(processes)
      const change = yield* databaseSeconds
      assert.isAtMost(earlier, lowBurst + lowRate * (change - before + lifeSeconds))
      yield* limits.updatePolicy("hot", policy.version, { quota: rate, burst: raisedBurst })
      // What the raised burst adds is there at once.
      yield* Effect.repeat(poll, { until: () => sumOf(processes) - earlier >= raisedBurst - lowBurst })
      yield* end(others)
      const after = yield* databaseSeconds
      const raised = raisedBurst + rate * (after - change + lifeSeconds)
      assert.isAtMost(sumOf(processes), lowRate * (change - before + lifeSeconds) + raised)
    }).pipe(Effect.scoped, asTenant("raised"))
  )
})
