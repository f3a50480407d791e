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
/** Less than a busy machine can ask for: the processes end once the bucket is empty. */
const rate = 300
/** Refilled in 15 s: a bucket that is full loses tokens, and a machine may keep all callers waiting for seconds. */
const burst = 4_500
/** A tenth of it: raised tenfold it is the same. */
const lowRate = rate / 10
const lowBurst = burst / 10
/** Tokens are used at most so much later than they were charged. */
const lifeSeconds = 0.1
const asTenant = provide(TenantId.make("acme"))

const start = Effect.fnUntraced(function* (seconds: number, clock = "right") {
  const { url } = yield* TestDatabase
  const args = [url, String(rate), String(burst), String(seconds), clock]
  return yield* ServiceProcess.start(script, args, { HM_QUOTAS_CHECK_DEADLINE: "60 seconds" })
})

/** The last line: how many were admitted and, once the process has ended, when its last denied request was sent. */
const lastLine = (service: ServiceProcess.ServiceProcess): ReadonlyArray<number> =>
  (service.output().trim().split("\n").at(-1) ?? "").split(" ").map(Number)

const admittedBy = (service: ServiceProcess.ServiceProcess): number => lastLine(service)[0] ?? 0

const nanosPerSecond = 1e9

/** By the machine's monotonic clock, which all processes share. */
const monotonicSeconds = Effect.sync(() => Number(process.hrtime.bigint()) / nanosPerSecond)

const sumOf = (processes: ReadonlyArray<ServiceProcess.ServiceProcess>): number =>
  processes.reduce((sum, process) => sum + admittedBy(process), 0)

/** The seconds by the database's clock since the first request can have come. */
const databaseSeconds = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly now: number }>`SELECT extract(epoch FROM clock_timestamp())::float8 AS now`,
    ([row]) => row?.now ?? 0
  )
)

const firstAdmitted = (processes: ReadonlyArray<ServiceProcess.ServiceProcess>) =>
  Effect.repeat(Effect.sleep("10 millis"), { until: () => sumOf(processes) > 0 })

const ended = (process: ServiceProcess.ServiceProcess) =>
  Effect.map(process.exit, ({ code }) => assert.strictEqual(code, 0, process.log()))

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
        const processes = [yield* start(10), yield* start(10), yield* start(10, "wrong")]
        const before = yield* databaseSeconds
        yield* firstAdmitted(processes)
        const first = yield* monotonicSeconds
        yield* Effect.forEach(processes, ended, { discard: true })
        const after = yield* databaseSeconds
        const admitted = sumOf(processes)
        assert.isAtMost(admitted, burst + rate * (after - before + lifeSeconds))
        // Each has ended when it found the bucket empty: until then the callers had all that it held. What they took to start and
        // to end on a busy machine does not count.
        const askedSeconds = Math.max(...processes.map((service) => lastLine(service)[1] ?? 0)) - first
        assert.isAbove(askedSeconds, 0)
        assert.isAtLeast(admitted, 0.97 * (burst + rate * askedSeconds))
        yield* Effect.logInfo(`${admitted} admitted of ${burst + rate * askedSeconds}`)
      }).pipe(Effect.scoped)
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
      const processes = [yield* start(7), yield* start(7), yield* start(7)]
      const [killed, ...others] = processes
      yield* firstAdmitted(processes)
      yield* Effect.sleep("2 seconds")
      yield* killed?.signal("SIGKILL") ?? Effect.void
      yield* Effect.sleep("2 seconds")
      const earlier = sumOf(processes)
      const change = yield* databaseSeconds
      assert.isAtMost(earlier, lowBurst + lowRate * (change - before + lifeSeconds))
      yield* limits.updatePolicy("hot", policy.version, { quota: rate, burst })
      yield* Effect.forEach(others, ended, { discard: true })
      const after = yield* databaseSeconds
      const admitted = sumOf(processes)
      const raised = burst + rate * (after - change + lifeSeconds)
      assert.isAtMost(admitted, lowRate * (change - before + lifeSeconds) + raised)
      // What the raised burst adds was there at once.
      assert.isAtLeast(admitted - earlier, burst - lowBurst)
    }).pipe(Effect.scoped, asTenant)
  )
})
