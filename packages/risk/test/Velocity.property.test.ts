import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Feature from "@hypermarket/risk/Feature"
import type { EntityKind, NewSignal, SignalKind, SignalResult } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { DateTime, Effect, Fiber, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { Currency } from "@hypermarket/core/Money"
import * as Scene from "./Scene.ts"

const seed = Number(process.env["HM_RISK_SEED"] ?? 4_711)
process.stdout.write(`velocity: seed ${seed}\n`)

const hourMillis = 3_600_000
const dayMillis = 24 * hourMillis
const rounds = 7
const recordedPerRound = 70
const decidedPerRound = 14

const kinds = ["order", "payment"] as const
const results = ["attempted", "approved", "declined"] as const
const currencies = ["EUR", "USD"].map((code) => Schema.decodeUnknownSync(Currency)(code))
const entityKinds = ["account", "card", "ip", "device"] as const

/** An event as the test knows it, from what it sent and from nothing that was stored. */
interface Event {
  readonly kind: SignalKind
  readonly subject: string
  readonly at: number
  result: SignalResult
  readonly amount: bigint | undefined
  readonly currency: string | undefined
  readonly entities: Readonly<Record<string, string>>
}

/** All features of the four windows: of every entity, kind and result. */
const features: ReadonlyArray<Feature.Feature> = [
  ...entityKinds.flatMap((entity) =>
    Feature.windows.flatMap((window) =>
      (["count", "sum", "average"] as const).flatMap((aggregate) =>
        [[], ["payment"], ["payment", "declined"], ["order", "attempted"]].map((narrow) =>
          Feature.make(aggregate, [entity, window, ...narrow])
        )
      )
    )
  ),
  ...entityKinds.flatMap((entity) =>
    entityKinds
      .filter((other) => other !== entity)
      .flatMap((other) => Feature.windows.map((window) => Feature.make("distinct", [entity, other, window])))
  )
].flatMap((feature) => ("wrong" in feature ? [] : [feature]))

const quoted = (name: string) =>
  name.replace(
    /\((.*)\)/,
    (_, args: string) =>
      `(${args
        .split(",")
        .map((arg) => `"${arg}"`)
        .join(", ")})`
  )

/** The longest window per entity in the later rounds: no scan may need a longer one. */
const narrow: Readonly<Record<string, ReadonlyArray<string>>> = {
  account: ["1h"],
  card: ["1h", "24h"],
  ip: ["24h"],
  device: ["7d"]
}
const narrowFeatures = features.filter(({ entity, window }) => narrow[entity]?.includes(window))
const narrowFrom = 5

/** Eight features per rule: a rule has at most 500 nodes. */
const ruleSetOf = (read: ReadonlyArray<Feature.Feature>) => ({
  rules: Array.from({ length: Math.ceil(read.length / 8) }, (_, index) => ({
    key: `r${index}`,
    reason: "NEVER",
    expression: read
      .slice(index * 8, index * 8 + 8)
      .map(({ aggregate, name }) => `${quoted(name)} < ${aggregate === "average" ? "0.0" : "0"}`)
      .join(" || ")
  }))
})

const expectedOf = (events: ReadonlyArray<Event>, present: Event, feature: Feature.Feature) => {
  const value = present.entities[feature.entity]
  const begin = present.at - Feature.windowHours[feature.window] * hourMillis
  const inside = events.filter(
    (event) =>
      (event.kind !== present.kind || event.subject !== present.subject) &&
      event.entities[feature.entity] === value &&
      value !== undefined &&
      event.at > begin &&
      event.at <= present.at
  )
  if (feature.aggregate === "distinct") {
    const { other } = feature
    return String(new Set(inside.flatMap(({ entities }) => entities[other] ?? [])).size)
  }
  const matching = inside.filter(
    ({ kind, result }) =>
      (feature.kind === undefined || kind === feature.kind) &&
      (feature.result === undefined || result === feature.result)
  )
  if (feature.aggregate === "count") return String(matching.length)
  const amounts = matching.flatMap(({ amount, currency }) =>
    amount !== undefined && currency === present.currency ? [amount] : []
  )
  const sum = amounts.reduce((total, amount) => total + amount, 0n)
  if (feature.aggregate === "sum") return String(sum)
  return amounts.length === 0 ? undefined : Number(sum) / amounts.length
}

/** Lets the job wait for the table of hours, with rows marked as folded, and terminates its session there. */
const killWhileFolding = Effect.fnUntraced(function* <E, R>(fold: Effect.Effect<number, E, R>) {
  const sql = yield* SqlClient
  const letGo = yield* HeldTransaction.hold(
    sql`LOCK TABLE hm_fraud_entity_hour IN EXCLUSIVE MODE`,
    Effect.void
  )
  const folding = yield* Effect.forkChild(fold)
  const killed = yield* sql<{ readonly killed: boolean }>`
    SELECT pg_terminate_backend(pid) AS killed
      FROM pg_locks
     WHERE NOT granted AND relation = 'hm_fraud_entity_hour'::regclass
  `.pipe(
    Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (rows) => rows.length > 0 }),
    // Nothing may be due.
    Effect.raceFirst(Effect.as(Fiber.await(folding), []))
  )
  yield* letGo
  yield* Fiber.await(folding)
  return killed.length
})

layer(Scene.layer, { excludeTestServices: true })("velocity", (it) => {
  it.effect(
    "equals brute force for late, duplicate, equal-time and out-of-order events, before, while and after an entity is hot",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        const testNow = yield* Now.TestNow
        const random = Scene.random(seed)
        const pick = (count: number) => Math.floor(random() * count)
        const start = Math.floor((yield* Now.now).getTime() / hourMillis) * hourMillis
        yield* Scene.goLive(ruleSetOf(features))
        const events = new Map<string, Event>()
        const sent: Array<NewSignal> = []

        const timeOf = (now: number): number => {
          const at = now - pick(29 * 24) * hourMillis
          // Half of the times are whole hours, so that times are often equal and often a window's edge.
          return random() < 0.5 ? at : at - pick(hourMillis)
        }

        const signalOf = (subject: string, now: number): NewSignal => {
          const isPriced = random() < 0.8
          const entity = (kind: EntityKind, count: number) =>
            random() < 0.85 ? { [kind]: `${kind}${Math.floor(random() ** 2 * count)}` } : {}
          return {
            kind: kinds[pick(2)] ?? "order",
            subject,
            result: results[pick(3)] ?? "attempted",
            occurredAt: DateTime.makeUnsafe(timeOf(now)),
            entities: {
              ...entity("account", 8),
              ...entity("card", 5),
              ...entity("device", 6),
              ...(random() < 0.9 ? { ip: `10.0.0.${1 + Math.floor(random() ** 3 * 4)}` } : {})
            },
            ...(isPriced
              ? { amount: { amount: BigInt(pick(100_000)), currency: currencies[pick(2)] ?? currencies[0]! } }
              : {})
          }
        }

        const remember = (signal: NewSignal): Event => {
          const place = `${signal.kind}/${signal.subject}`
          const existing = events.get(place)
          if (existing !== undefined) {
            existing.result = signal.result ?? existing.result
            return existing
          }
          const event: Event = {
            kind: signal.kind,
            subject: signal.subject,
            at: signal.occurredAt?.epochMilliseconds ?? 0,
            result: signal.result ?? "attempted",
            amount: signal.amount?.amount,
            currency: signal.amount?.currency,
            entities: Object.fromEntries(
              Object.entries(signal.entities).map(([kind, value]) => [kind, String(value)])
            )
          }
          events.set(place, event)
          return event
        }

        let compared = 0
        let foldedRows = 0
        let killed = 0
        for (let round = 0; round < rounds; round++) {
          const now = start + round * 6 * dayMillis
          const read = round < narrowFrom ? features : narrowFeatures
          if (round === narrowFrom) yield* Scene.goLive(ruleSetOf(read))
          yield* testNow.set(new Date(now))
          const batch = Array.from({ length: recordedPerRound }, (_, index) =>
            signalOf(`r${round}-${index}`, now)
          )
          // Some are sent again as they were.
          const repeated = sent.length === 0 ? [] : Array.from({ length: 5 }, () => sent[pick(sent.length)]!)
          const fresh = repeated.filter(
            ({ occurredAt }) => (occurredAt?.epochMilliseconds ?? 0) > now - 29 * dayMillis
          )
          yield* risk.record([...batch, ...fresh])
          batch.forEach(remember)
          sent.push(...batch)
          for (let index = 0; index < 6; index++) {
            const changed = sent[pick(sent.length)]!
            const result = results[pick(3)]!
            yield* risk.complete(changed.kind, changed.subject, { result })
            remember({ ...changed, result })
          }
          for (let index = 0; index < decidedPerRound; index++) {
            // Folding ends at any point of the round. In some its session is killed in the middle of its statement.
            if (index === round) {
              const fold = risk.fold.pipe(Effect.provideService(AllTenants, AllTenants.of({ actor: "test" })))
              if (round % 2 === 1) killed += yield* killWhileFolding(fold)
              else foldedRows += yield* fold
            }
            const repeat = random() < 0.2 && sent.length > 0
            const signal = repeat
              ? { ...sent[pick(sent.length)]!, key: `again-${round}-${index}` }
              : signalOf(`d${round}-${index}`, now)
            if ((signal.occurredAt?.epochMilliseconds ?? 0) < now - 29 * dayMillis) continue
            const answer = yield* risk.decide(signal, { deadlineMillis: 10_000 })
            const present = remember(signal)
            if (!repeat) sent.push(signal)
            if (answer.decisionId === null) return yield* Effect.die("a decision fell back")
            const { frozen } = yield* risk.explain(answer.decisionId)
            for (const feature of read) {
              const expected = expectedOf(Array.from(events.values()), present, feature)
              assert.strictEqual(
                frozen.features[feature.name],
                expected,
                `${feature.name} of ${signal.subject} in round ${round}`
              )
              compared++
            }
          }
        }
        const [state] = yield* sql<{ readonly folded: number; readonly single: number }>`
          SELECT count(*) FILTER (WHERE is_folded)::integer AS folded, count(*) FILTER (WHERE NOT is_folded)::integer AS single
            FROM hm_fraud_entity_event
        `
        assert.isAbove(foldedRows, 0)
        assert.isAbove(killed, 0)
        assert.isAbove(state?.folded ?? 0, 100)
        assert.isAbove(state?.single ?? 0, 100)
        assert.isAbove(compared, 10_000)
      }).pipe(provide(TenantId.make("acme")))
  )
})
