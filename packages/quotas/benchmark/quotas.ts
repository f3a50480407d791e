/**
 * `pnpm bench quotas [--only batched,leased,denied,memory,ledger,middleware]`: checks of rate limits beside rate-limiter-flexible, the
 * ledger of quotas, and what `Limits` costs per request.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as Limits from "@hypermarket/core/Limits"
import { provide } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as RateLimitHandle from "@hypermarket/quotas/RateLimitHandle"
import * as RateLimitClient from "@hypermarket/quotas/RateLimitClient"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as RequestLimits from "@hypermarket/quotas/RequestLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { setImmediate } from "node:timers/promises"

const inFlight = 64
const manyKeys = 10_000
const millisMax = 10_000
const quotaMax = 1_000_000_000

/** Its buckets have no leases: a life would be shorter than the shortest. */
const batchedPolicy = {
  policy: "batched",
  kind: "gcra",
  quota: quotaMax,
  periodMillis: 100,
  by: ["user"]
} as const
const leasedPolicy = {
  policy: "leased",
  kind: "gcra",
  quota: quotaMax,
  periodMillis: 60_000,
  by: ["user"]
} as const
const deniedPolicy = {
  policy: "denied",
  kind: "gcra",
  quota: 10,
  periodMillis: 3_600_000,
  by: ["user"]
} as const

/** Decisions per second by clients in a closed loop, after a warm-up of a quarter. */
const rateOf = Effect.fnUntraced(function* <E, R>(millis: number, decide: Effect.Effect<unknown, E, R>) {
  const run = Effect.fnUntraced(function* (length: number) {
    const until = (yield* Clock.currentTimeMillis) + length
    let decided = 0
    const batch = Effect.replicateEffect(decide, 20, { discard: true })
    const client = Effect.gen(function* () {
      while ((yield* Clock.currentTimeMillis) < until) {
        yield* batch
        decided += 20
        yield* Effect.yieldNow
      }
    })
    yield* Effect.replicateEffect(client, inFlight, { concurrency: "unbounded", discard: true })
    return decided
  })
  yield* run(millis / 4)
  const before = yield* Clock.currentTimeMillis
  return ((yield* run(millis)) * 1_000) / ((yield* Clock.currentTimeMillis) - before)
})

/** Of one of the keys, as the peer's script chooses it. */
const keyOf = (keys: number): string => `u${Math.floor(Math.random() * keys)}`

const check = (policy: string, keys: number) =>
  Effect.map(RateLimits, (limits) =>
    Effect.suspend(() => limits.check({ policies: [policy], subject: { user: keyOf(keys) } }))
  )

const checksPerSecond = (policy: string, keys: number) => (millis: number) =>
  Effect.flatMap(check(policy, keys), (decide) => rateOf(millis, decide))

/** The 99th percentile of the checks of such clients, in milliseconds. */
const slowest = (policy: string, keys: number) =>
  Effect.fnUntraced(function* (millis: number) {
    const decide = yield* check(policy, keys)
    const samples: Array<number> = []
    const timed = Effect.suspend(() => {
      const before = performance.now()
      return Effect.map(decide, () => samples.push(performance.now() - before))
    })
    yield* rateOf(millis, timed)
    return Bench.quantile(samples, 0.99)
  })

/** Decisions per second of a handle at the Promise door, by clients that yield to the event loop after 20. */
const takesPerSecond = Effect.fnUntraced(function* (millis: number) {
  const handle = yield* RateLimitHandle.open({
    name: leasedPolicy.policy,
    rate: quotaMax,
    per: "1 minute"
  })
  const run = async (length: number) => {
    const until = performance.now() + length
    let decided = 0
    const client = async () => {
      while (performance.now() < until) {
        for (let index = 0; index < 20; index++) await handle.take("one")
        decided += 20
        await setImmediate()
      }
    }
    await Promise.all(Array.from({ length: inFlight }, client))
    return decided
  }
  return yield* Effect.promise(async () => {
    await run(millis / 4)
    const before = performance.now()
    return ((await run(millis)) * 1_000) / (performance.now() - before)
  })
}, Effect.scoped)

type Store = "default" | "unlogged" | "block" | "memory"

const peer = (url: string, store: Store, keys: number, points: number, millis: number) =>
  Effect.map(
    Setup.peerAnswer(
      "rateLimiterFlexible.js",
      { url, store, keys, points, inFlight, millis },
      Schema.Struct({ perSecond: Schema.Finite })
    ),
    ({ perSecond }) => perSecond
  )

/** Ours and each peer by turns, the median of the rounds. */
const beside = Effect.fnUntraced(function* <E, R, E2, R2>(
  { rounds, scale }: Bench.Options,
  figure: string,
  ours: (millis: number) => Effect.Effect<number, E, R>,
  peers: Readonly<Record<string, (millis: number) => Effect.Effect<number, E2, R2>>>,
  unit = "checks/s"
) {
  const own: Array<number> = []
  const theirs = Object.keys(peers).map((name) => ({ name, values: [] as Array<number> }))
  for (let round = 1; round <= rounds; round++) {
    own.push(yield* ours(millisMax * scale))
    for (const { name, values } of theirs) {
      const measure = peers[name]
      if (measure !== undefined) values.push(yield* measure(millisMax * scale))
    }
    yield* Bench.say(`${figure}: round ${round} of ${rounds}`)
  }
  return [
    {
      figure,
      unit,
      ours: Bench.median(own),
      peers: Object.fromEntries(theirs.map(({ name, values }) => [name, Bench.median(values)]))
    }
  ]
})

const ledger = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const quotas = yield* TenantQuotas
  yield* quotas.createFeature({ feature: "bench", kind: "metered" })
  yield* quotas.grant("bench", { source: "plan", amount: quotaMax })
  let keys = 0
  const once = Effect.gen(function* () {
    const { reservationId } = yield* quotas.reserve({ key: `k-${++keys}`, feature: "bench", amount: 2 })
    yield* quotas.commit(reservationId, 1)
  })
  const values: Array<number> = []
  for (let round = 0; round < rounds; round++) values.push(yield* rateOf(millisMax * scale, once))
  return [{ figure: "ledger: reserve and commit", unit: "pairs/s", ours: Bench.median(values), peers: {} }]
})

const requestsMax = 200_000

const middleware = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const { check } = yield* Limits.Limits
  const request = {
    tenantId: Setup.tenantId,
    plan: Option.some("standard"),
    keyId: "k1",
    route: "bench.request",
    address: { text: "192.0.2.1", bucket: "192.0.2.1" },
    cost: 1
  }
  const count = Math.ceil(requestsMax * scale)
  const micros: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    yield* Effect.replicateEffect(check(request), count, { discard: true })
    const { system, user } = process.cpuUsage(before)
    micros.push((user + system) / count)
  }
  return [
    { figure: "middleware: processor time per request", unit: "us", ours: Bench.median(micros), peers: {} }
  ]
})

/** A check that a busy machine makes late would be decided without the database. */
const patient = ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_QUOTAS_CHECK_DEADLINE: "60 seconds" }))

export const bench: Bench.Bench = {
  run: Effect.fn("bench quotas")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("quotas")
    yield* Setup.installPeers
    const { options: database, url } = yield* Setup.database(settings)
    const layer = Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(
      Layer.provide(RateLimitClient.layer(database)),
      Layer.provide(patient),
      Layer.provideMerge(Database.layer({ ...database, poolMax: 8 }, "hm-bench"))
    )
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      options.only.length > 0 && !options.only.includes(name)
        ? Effect.succeed<ReadonlyArray<Bench.Figure>>([])
        : Effect.tap(part, options.measured)
    const flexible = (store: Store, keys: number, points: number) => (millis: number) =>
      peer(url, store, keys, points, millis)
    return yield* Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* limits.createPolicy(batchedPolicy)
      yield* limits.createPolicy(leasedPolicy)
      yield* limits.createPolicy(deniedPolicy)
      return yield* Effect.all([
        run(
          "batched",
          beside(options, "batched: 10,000 keys", checksPerSecond("batched", manyKeys), {
            "default store": flexible("default", manyKeys, quotaMax),
            "UNLOGGED table": flexible("unlogged", manyKeys, quotaMax)
          })
        ),
        run(
          "leased",
          beside(options, "leased: 10,000 keys", checksPerSecond("leased", manyKeys), {
            "default store": flexible("default", manyKeys, quotaMax)
          })
        ),
        run(
          "leased",
          beside(options, "leased: one key", checksPerSecond("leased", 1), {
            "default store": flexible("default", 1, quotaMax),
            "limiter in memory": flexible("memory", 1, quotaMax)
          })
        ),
        run("leased", beside(options, "leased: one key, as promises", takesPerSecond, {})),
        run(
          "leased",
          beside(options, "leased: 10,000 keys, p99 of a check", slowest("leased", manyKeys), {}, "ms")
        ),
        run(
          "denied",
          beside(options, "denied: 100 keys", checksPerSecond("denied", 100), {
            "in-memory block": flexible("block", 100, 10)
          })
        ),
        run("ledger", ledger(options)),
        run("middleware", middleware(options))
      ])
    }).pipe(
      Effect.map((figures) => figures.flat()),
      provide(Setup.tenantId),
      Effect.provide(layer)
    )
  }, Effect.scoped)
}
