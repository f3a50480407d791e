import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import { AllTenants, provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { Exposure, Fact, Refund } from "@hypermarket/experiments/ExperimentUnit"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { DateTime, Effect } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Laboratory from "./Laboratory.ts"

interface Shop {
  readonly exposures: ReadonlyArray<Exposure>
  readonly facts: ReadonlyArray<Fact>
  readonly refunds: ReadonlyArray<Refund>
}

const daySeconds = 86_400
const windowDays = 5
const prePeriodDays = 2

/** Orders with corrections, moves to other units, withdrawals and refunds; units that see one arm or two. */
const makeShop = (random: () => number, key: string, start: DateTime.Utc, factCount: number): Shop => {
  const unitCount = Math.ceil(factCount / 8)
  const pick = (count: number) => Math.floor(random() * count)
  const facts = Array.from({ length: factCount }, (): Fact => {
    const version = 1 + pick(3)
    return {
      ...Laboratory.fact(
        "order",
        `o${pick(Math.ceil(factCount / 2))}`,
        `u${pick(unitCount)}`,
        Laboratory.after(start, random() * 12 - 2),
        BigInt(pick(1_000_000) - 1_000)
      ),
      version,
      withdrawn: random() < 0.05
    }
  })
  // One content per version: which of two contents comes first is no property of the order.
  const distinct = new Map(facts.map((fact) => [`${fact.factId}/${fact.version}`, fact]))
  const refunds = Array.from({ length: Math.ceil(factCount / 10) }, (): Refund => ({
    orderId: `o${pick(Math.ceil(factCount / 2))}`,
    refundId: `r${pick(20)}`,
    version: 1 + pick(3),
    amount: BigInt(pick(10_000))
  }))
  const distinctRefunds = new Map(
    refunds.map((refund) => [`${refund.orderId}/${refund.refundId}/${refund.version}`, refund])
  )
  const exposures = Array.from({ length: unitCount * 2 }, (): Exposure => {
    const unit = pick(unitCount)
    const arm = random() < 0.02 ? pick(2) : unit % 2
    return Laboratory.exposure(
      key,
      `u${unit}`,
      arm === 0 ? "old" : "new",
      Laboratory.after(start, random() * 6)
    )
  })
  return {
    exposures,
    facts: Array.from(distinct.values()),
    refunds: Array.from(distinctRefunds.values())
  }
}

const shuffled = <A>(items: ReadonlyArray<A>, random: () => number): ReadonlyArray<A> => {
  const copy = [...items]
  for (let index = copy.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    const [first, second] = [copy[index], copy[other]]
    if (first !== undefined && second !== undefined) {
      copy[index] = second
      copy[other] = first
    }
  }
  return copy
}

const chunks = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size)
  )

/** The sums per arm and day, computed from what was sent and from nothing that was stored. */
const expectedOf = (shop: Shop): ReadonlyMap<string, string> => {
  const newest = new Map<string, Fact>()
  for (const fact of shop.facts) {
    const existing = newest.get(fact.factId)
    if (existing === undefined || (existing.version ?? 0) < (fact.version ?? 0)) newest.set(fact.factId, fact)
  }
  const refunds = new Map<string, Refund>()
  for (const refund of shop.refunds) {
    const place = `${refund.orderId}/${refund.refundId}`
    const existing = refunds.get(place)
    if (existing === undefined || existing.version < refund.version) refunds.set(place, refund)
  }
  const refunded = new Map<string, bigint>()
  for (const { amount, orderId } of refunds.values()) {
    refunded.set(orderId, (refunded.get(orderId) ?? 0n) + amount)
  }
  const seen = new Map<string, { at: number; arms: Set<string>; arm: string }>()
  for (const { at, unit, variant } of shop.exposures) {
    const millis = at?.epochMilliseconds ?? 0
    const existing = seen.get(unit)
    if (existing === undefined) seen.set(unit, { at: millis, arms: new Set([variant]), arm: variant })
    else {
      existing.arms.add(variant)
      if (millis < existing.at) {
        existing.at = millis
        existing.arm = variant
      }
    }
  }
  const cells = new Map<string, Array<bigint>>()
  const totals = new Map<string, { y: bigint; x: bigint }>()
  for (const fact of newest.values()) {
    const exposed = seen.get(fact.unit)
    if (exposed === undefined || fact.withdrawn === true) continue
    const offset = fact.at.epochMilliseconds - exposed.at
    const value = (fact.value ?? 0n) - (refunded.get(fact.factId) ?? 0n)
    const total = totals.get(fact.unit) ?? { y: 0n, x: 0n }
    if (offset >= 0 && offset < windowDays * daySeconds * 1000) total.y += value
    else if (offset < 0 && offset >= -prePeriodDays * daySeconds * 1000) total.x += value
    totals.set(fact.unit, total)
  }
  for (const [unit, { arm, arms, at }] of seen) {
    const day = new Date(at).toISOString().slice(0, 10)
    if (arms.size > 1) continue
    const place = `${arm === "old" ? 0 : 1}/${day}`
    const { x, y } = totals.get(unit) ?? { x: 0n, y: 0n }
    const cell = cells.get(place) ?? [0n, 0n, 0n, 0n, 0n, 0n]
    cells.set(
      place,
      [1n, y, x, y * y, y * x, x * x].map((value, index) => value + (cell[index] ?? 0n))
    )
  }
  return new Map(Array.from(cells, ([place, values]) => [place, values.join("/")] as const).toSorted())
}

const storedOf = (experimentId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly place: string; readonly values: string }>`
      SELECT variant || '/' || day AS place,
             concat_ws('/', sum(n), sum(y), sum(x), sum(yy), sum(yx), sum(xx)) AS values
        FROM (
             SELECT variant, day, n, y, x, yy, yx, xx
               FROM hm_experiment_moment
              WHERE experiment_id = ${experimentId}::uuid AND position = 1
              UNION ALL
             SELECT variant, day, n, y, x, yy, yx, xx
               FROM hm_experiment_delta
              WHERE experiment_id = ${experimentId}::uuid AND position = 1
             ) held
       GROUP BY variant, day
      HAVING sum(n) <> 0
       ORDER BY 1
    `
    return new Map(rows.map(({ place, values }) => [place, values]))
  })

/** Cuts one of the connections that are in a transaction. Returns how many that were. */
const cutOne = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const cut = yield* sql`
    SELECT pg_terminate_backend(pid)
      FROM (
           SELECT pid
             FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
            ORDER BY random()
            LIMIT 1
           ) busy
  `
  return cut.length
})

/** At least so many, or the test says nothing of crashes. */
const cutsMin = 20

layer(Laboratory.layer, { excludeTestServices: true })("ExperimentUnits", (it) => {
  const holds = (
    name: string,
    seed: number,
    factCount: number,
    around: (
      send: Effect.Effect<void, SqlError, ExperimentUnits | Tenant>
    ) => Effect.Effect<void, SqlError, ExperimentUnits | Tenant | SqlClient.SqlClient> = (send) => send
  ) =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const random = Laboratory.random(Laboratory.seedOf(name, seed))
      const experiment = yield* Laboratory.start("order", [
        {
          key: "revenue",
          kind: "sum",
          source: "order",
          currency: Currency.make("EUR"),
          windowSeconds: windowDays * daySeconds,
          prePeriodSeconds: prePeriodDays * daySeconds
        }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* Laboratory.pass(10)
      const shop = makeShop(random, "order", start, factCount)
      // Everything twice, in any order, from two writers, with merges in between.
      const sends = [
        ...chunks(shuffled([...shop.exposures, ...shop.exposures], random), 250).map((batch) =>
          Effect.asVoid(units.expose(batch))
        ),
        ...chunks(shuffled([...shop.facts, ...shop.facts], random), 250).map((batch) =>
          Effect.asVoid(units.record(batch))
        ),
        ...chunks(shuffled([...shop.refunds, ...shop.refunds], random), 100).map((batch) =>
          Effect.asVoid(units.recordShop({ facts: [], refunds: batch, deletions: [] }))
        )
      ]
      const withMerges = shuffled(sends, random).flatMap((send, index) =>
        index % 5 === 0
          ? [send, Effect.asVoid(Effect.provideService(units.mergeDue, AllTenants, { actor: "test" }))]
          : [send]
      )
      yield* Effect.forEach(withMerges, around, { concurrency: 2, discard: true })
      const expected = expectedOf(shop)
      assert.isAbove(expected.size, 6)
      assert.deepStrictEqual(yield* storedOf(experiment.experimentId), expected)
    }).pipe(provide(TenantId.make(name)))

  for (const seed of [1, 2, 3]) {
    it.effect(
      `moments equal the sums of what was sent, whatever its order and repetition (seed ${seed})`,
      () => holds(`small-${seed}`, seed, 400)
    )
  }

  it.effect(
    "moments equal the sums of 10,000 late, corrected, moved, withdrawn, refunded and repeated facts",
    () => holds("large", 4, 10_000)
  )

  it.effect("moments equal the sums of 10,000 facts whose writers are cut off and send again", () =>
    Effect.gen(function* () {
      let cuts = 0
      const cut = cutOne.pipe(
        Effect.delay("5 millis"),
        Effect.repeat({ until: (count) => count > 0 }),
        Effect.tap((count) => Effect.sync(() => (cuts += count))),
        Effect.ignore
      )
      yield* holds("cut", 5, 10_000, (send) =>
        Effect.scoped(
          Effect.gen(function* () {
            // Once per send at most, whichever of the writers that meets.
            yield* Effect.forkScoped(cut)
            // As a caller does that got no answer: what was committed is sent again all the same.
            yield* Effect.retry(send, { while: ({ reason }) => reason._tag === "ConnectionError" })
          })
        )
      )
      assert.isAtLeast(cuts, cutsMin)
    })
  )
})
