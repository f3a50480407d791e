/**
 * `pnpm bench audit [--only insert,decide,varied]`: what a row of the activity log costs over a plain insert of the same row, what sealing
 * writes, and how long a decision by 1,000 region policies takes in process.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import { NewRegionPolicy, PolicyQuestion } from "@hypermarket/platform/RegionPolicy"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const clients = 8
/** Of all slices together. */
const rowsMax = 200_000
const sliceRows = 2_000

/** The columns that the log fills, of the same length. A plain insert has its texts and salts ready, and takes id and time of the server. */
const plainRow = {
  actor: '{"address":"192.0.2.7","id":"ann","requestId":"0199a000-0000-7000-8000-000000000001"}',
  detail: '{"after":{"price":1900,"state":"live"},"before":{"price":1800,"state":"draft"},"targetId":"p-1"}',
  salt: Buffer.alloc(16, 1)
}

const entry = {
  actor: { type: "user", id: "ann", address: "192.0.2.7", requestId: "0199a000-0000-7000-8000-000000000001" },
  action: "product.changed",
  target: { type: "product", id: "p-1" },
  before: { price: 1_800, state: "draft" },
  after: { price: 1_900, state: "live" }
} as const

/** Rows per second of one insert per transaction, by several clients. */
const rate = Effect.fnUntraced(function* <E, R>(rows: number, insert: Effect.Effect<unknown, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const before = yield* Clock.currentTimeMillis
  yield* Effect.replicateEffect(sql.withTransaction(insert), Math.ceil(rows / clients), {
    discard: true
  }).pipe(Effect.replicateEffect(clients, { concurrency: clients, discard: true }))
  return (rows * 1_000) / ((yield* Clock.currentTimeMillis) - before)
})

const walBytes = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly bytes: number }>`SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes`,
    ([row]) => row?.bytes ?? 0
  )
)

const insert = Effect.fnUntraced(function* ({ scale }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const log = yield* ActivityLog
  const seals = yield* ActivitySeals
  const slices = Math.ceil((rowsMax * scale) / sliceRows)
  yield* sql`CREATE TABLE bench_plain (LIKE hm_platform_activity_log INCLUDING ALL)`
  // Made for each row, as a service makes its statement from what it was asked to write.
  const plain = Effect.suspend(
    () => sql`
    INSERT INTO bench_plain (tenant_id, recorded_at, activity_id, action, actor_type, target_type, actor, actor_salt, detail,
                             detail_salt)
    VALUES (${Setup.tenantId}, clock_timestamp(), gen_random_uuid(), ${entry.action}, ${entry.actor.type}, ${entry.target.type},
            ${plainRow.actor}, ${plainRow.salt}, ${plainRow.detail}, ${plainRow.salt})
  `
  )
  const ours: Array<number> = []
  const theirs: Array<number> = []
  let insertedBytes = 0
  let sealedBytes = 0
  const plainly = Effect.gen(function* () {
    theirs.push(yield* rate(sliceRows, plain))
  })
  const logged = Effect.gen(function* () {
    const before = yield* walBytes
    ours.push(yield* rate(sliceRows, log.record(entry)))
    const between = yield* walBytes
    yield* Effect.repeat(seals.seal, { while: (sealed) => sealed > 0 })
    insertedBytes += between - before
    sealedBytes += (yield* walBytes) - between
  })
  // Short slices, and each order as often as the other: other work on the machine meets both alike.
  for (let slice = 0; slice < slices; slice++) {
    yield* slice % 2 === 0 ? Effect.andThen(plainly, logged) : Effect.andThen(logged, plainly)
  }
  const [stored] = yield* sql<{ readonly dead: number }>`
    SELECT coalesce(sum(n_dead_tup), 0)::float8 AS dead
      FROM pg_stat_user_tables
     WHERE relname LIKE 'hm_platform_activity_log%'
  `
  return [
    {
      figure: "insert: rows",
      unit: "rows/s",
      ours: Bench.median(ours),
      peers: { "plain insert": Bench.median(theirs) }
    },
    {
      figure: "seal: WAL over that of the inserts",
      unit: "%",
      ours: (100 * sealedBytes) / insertedBytes,
      peers: {}
    },
    { figure: "seal: dead rows of the log", unit: "rows", ours: stored?.dead ?? Number.NaN, peers: {} }
  ]
})

const policiesMax = 1_000
const actions = 8
const decodePolicy = Schema.decodeUnknownEffect(NewRegionPolicy)
const decodeQuestion = Schema.decodeUnknownEffect(PolicyQuestion)

const policy = (place: number) => ({
  policyKey: `p-${place}`,
  actions: [`listing.verb-${String.fromCodePoint(97 + (place % actions))}`],
  region: ["GLOBAL", "EU", "EEA", "DE"][place % 4] ?? "GLOBAL",
  ...(place % 5 < 3 ? {} : { category: place % 2 === 0 ? "wine" : "toys" }),
  effect: "require",
  requirements: [`need_${place % 12}`],
  ...(place % 3 === 0 ? { condition: { attribute: "age", operator: "gte", value: 1 + (place % 50) } } : {}),
  legalBasis: "Bench code 1",
  source: "https://example.com/law"
})

const variedAttributes = 60

/** A condition on one of 60 attributes: questions hardly ever agree in all of them. */
const variedPolicy = (place: number) => ({
  ...policy(place),
  condition: { attribute: `flag_${place % variedAttributes}`, operator: "equals", value: true }
})

const question = (place: number) => ({
  action: `listing.verb-${String.fromCodePoint(97 + (place % actions))}`,
  region: ["DE", "DE-BY", "DE-BE"][place % 3],
  category: ["wine", "toys", "books"][place % 3],
  attributes: { age: 10 + (place % 60), place }
})

/** A multiplicative generator is chance enough for flags, and the same in every run. */
const flagsOf = (place: number) => {
  let state = place + 1
  return Object.fromEntries(
    Array.from({ length: variedAttributes }, (_, flag) => {
      state = Math.imul(state, 1_664_525) + 1_013_904_223
      return [`flag_${flag}`, state >>> 31 === 1]
    })
  )
}

const variedTenant = TenantId.make("bench-varied")
const variedQuestionsMax = 20_000

/** Each question once: its verdict is not remembered from another one. */
const decideVaried = Effect.fnUntraced(
  function* ({ rounds, scale }: Bench.Options) {
    const policies = yield* RegionPolicies
    for (let place = 0; place < policiesMax; place++) {
      yield* policies.create(yield* decodePolicy(variedPolicy(place)))
    }
    const decideAt = yield* policies.follow
    const now = yield* Clock.currentTimeMillis
    const micros: Array<number> = []
    const count = Math.ceil(variedQuestionsMax * scale)
    for (let round = 0; round < rounds; round++) {
      const questions = yield* Effect.forEach(
        Array.from({ length: count }, (_, place) => ({
          ...question(place),
          attributes: flagsOf(round * count + place)
        })),
        (asked) => decodeQuestion(asked)
      )
      const before = process.cpuUsage()
      for (const asked of questions) decideAt(asked, now)
      const { system, user } = process.cpuUsage(before)
      micros.push((user + system) / questions.length)
    }
    return [
      {
        figure: "decide: processor time, each question's conditions once",
        unit: "us",
        ours: Bench.median(micros),
        peers: {}
      }
    ]
  },
  Effect.scoped,
  provide(variedTenant)
)

const repeats = 100
const decide = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const policies = yield* RegionPolicies
  for (let place = 0; place < policiesMax; place++) yield* policies.create(yield* decodePolicy(policy(place)))
  const decideAt = yield* policies.follow
  const questions = yield* Effect.forEach(
    Array.from({ length: policiesMax }, (_, place) => question(place)),
    (asked) => decodeQuestion(asked)
  )
  const now = yield* Clock.currentTimeMillis
  const fewest = Math.min(...questions.map((asked) => decideAt(asked, now).because.length))
  const micros: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    const times = Math.max(1, Math.ceil(repeats * scale))
    for (let time = 0; time < times; time++) {
      for (const asked of questions) decideAt(asked, now)
    }
    const { system, user } = process.cpuUsage(before)
    micros.push((user + system) / (times * questions.length))
  }
  return [
    { figure: "decide: processor time", unit: "us", ours: Bench.median(micros), peers: {} },
    { figure: "decide: fewest matching policies", unit: "policies", ours: fewest, peers: {} }
  ]
}, Effect.scoped)

export const bench: Bench.Bench = {
  run: Effect.fn("bench audit")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("audit")
    const { options: database } = yield* Setup.database(settings)
    const layer = PlatformDomain.layer.pipe(
      Layer.provideMerge(Database.layer({ ...database, poolMax: clients + 2 }, "hm-bench"))
    )
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      options.only.length > 0 && !options.only.includes(name)
        ? Effect.succeed<ReadonlyArray<Bench.Figure>>([])
        : Effect.tap(part, options.measured)
    return yield* Effect.all([
      run("insert", insert(options)),
      run("decide", decide(options)),
      run("varied", decideVaried(options))
    ]).pipe(
      Effect.map((figures) => figures.flat()),
      provide(Setup.tenantId),
      Effect.provideService(AllTenants, { actor: "bench" }),
      Effect.provide(layer)
    )
  }, Effect.scoped)
}
