import { assert, layer } from "@effect/vitest"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskLinks } from "@hypermarket/risk/RiskLinks"
import type { RiskRing } from "@hypermarket/risk/RiskLink"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Now from "@hypermarket/core/Now"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const kindsOf = ({ entities }: RiskRing, hops: number) =>
  entities
    .filter((entity) => entity.hops === hops)
    .map(({ kind }) => kind)
    .toSorted()

const subjectsOf = ({ signals }: RiskRing) => signals.map(({ subject }) => subject).toSorted()

const cards = (count: number) => Array.from({ length: count }, (_, index) => index)

layer(Scene.layer, { excludeTestServices: true })("links", (it) => {
  it.effect("lead over two hops to the signals that share an entity", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const links = yield* RiskLinks
      yield* Scene.goLive({
        rules: [{ key: "all", expression: "true", reason: "ALL", outcome: "review" }]
      })
      // ann - card-1 - bob - device-1 - cat
      yield* risk.decide(payment("p1", { entities: { account: "ann", card: "card-1" } }), patient)
      yield* risk.decide(payment("p2", { entities: { account: "bob", card: "card-1" } }), patient)
      yield* risk.record([payment("p3", { entities: { account: "bob", device: "device-1" } })])
      yield* risk.record([payment("p4", { entities: { account: "cat", device: "device-1" } })])
      yield* risk.record([payment("p5", { entities: { account: "dan", card: "card-2" } })])
      const ring = yield* links.ring({ entity: { card: "card-1" } })
      assert.deepStrictEqual(kindsOf(ring, 0), ["card"])
      assert.deepStrictEqual(kindsOf(ring, 1), ["account", "account"])
      assert.deepStrictEqual(kindsOf(ring, 2), ["device"])
      assert.lengthOf(ring.links, 3)
      assert.deepStrictEqual(subjectsOf(ring), ["p1", "p2", "p3", "p4"])
      assert.deepStrictEqual(ring.signals.map(({ outcome, subject }) => `${subject} ${outcome}`).toSorted(), [
        "p1 review",
        "p2 review",
        "p3 null",
        "p4 null"
      ])
      assert.isFalse(ring.truncated)
      const [card] = ring.entities
      const first = ring.signals.find(({ subject }) => subject === "p1")
      assert.include(first?.entities ?? [], card?.id)
      // Nothing is linked of before the time that was asked for.
      const later = DateTime.add(DateTime.fromDateUnsafe(yield* Now.now), { hours: 1 })
      const none = yield* links.ring({ entity: { card: "card-1" }, since: later })
      assert.deepInclude(none, { links: [], signals: [], truncated: false })
    }).pipe(tenant("hops"))
  )

  it.effect("Super-nodes join no ring", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const links = yield* RiskLinks
      yield* risk.record(
        cards(60).map((index) =>
          payment(`office-${index}`, { entities: { account: `a${index}`, ip: "203.0.113.5", seller: "s1" } })
        )
      )
      yield* risk.record([payment("shared", { entities: { account: "a7", card: "stolen" } })])
      const ring = yield* links.ring({ entity: { card: "stolen" } })
      assert.deepStrictEqual(kindsOf(ring, 1), ["account"])
      assert.deepStrictEqual(kindsOf(ring, 2), ["ip", "seller"])
      assert.deepStrictEqual(subjectsOf(ring), ["office-7", "shared"])
      // From the account the address is one hop away, and goes no further.
      const account = yield* links.ring({ entity: { account: "a7" } })
      const hubs = account.entities.filter(({ isHub }) => isHub)
      assert.deepStrictEqual(hubs.map(({ kind }) => kind).toSorted(), ["ip", "seller"])
      assert.deepStrictEqual(kindsOf(account, 2), [])
      assert.deepStrictEqual(subjectsOf(account), ["office-7", "shared"])
      assert.isFalse(account.truncated)
      // Asked for itself, the address shows some of its accounts and says that there are more.
      const office = yield* links.ring({ entity: { ip: "203.0.113.5" } })
      assert.lengthOf(kindsOf(office, 1), 50)
      assert.isTrue(office.truncated)
    }).pipe(tenant("office"))
  )

  it.effect("are the same once hours of a hot entity are summed", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const links = yield* RiskLinks
      const sql = yield* SqlClient
      const testNow = yield* Now.TestNow
      yield* Scene.goLive({
        rules: [{ key: "c", expression: 'count("device", "24h") > 1000', reason: "C", outcome: "block" }]
      })
      yield* risk.record(
        cards(30).map((index) => payment(`h${index}`, { entities: { account: `a${index}`, device: "hot" } }))
      )
      const before = yield* links.ring({ entity: { device: "hot" } })
      assert.lengthOf(before.entities, 31)
      yield* testNow.set(new Date((yield* Now.now).getTime() + 600_000))
      // A decision notes that the device is hot; the job sums its hours.
      yield* risk.decide(payment("note", { entities: { account: "a0", device: "hot" } }), patient)
      yield* risk.fold.pipe(Effect.provideService(AllTenants, AllTenants.of({ actor: "test" })))
      const [row] = yield* sql<{ readonly folded: number }>`
        SELECT count(*)::integer AS folded
          FROM hm_fraud_entity_event
         WHERE tenant_id = 'summed' AND is_folded
      `
      assert.isAtLeast(row?.folded ?? 0, 30)
      const after = yield* links.ring({ entity: { device: "hot" } })
      assert.deepStrictEqual(
        after.entities.map(({ hops, kind }) => `${hops} ${kind}`).toSorted(),
        before.entities.map(({ hops, kind }) => `${hops} ${kind}`).toSorted()
      )
      assert.deepStrictEqual(subjectsOf(after), [...subjectsOf(before), "note"].toSorted())
    }).pipe(tenant("summed"))
  )

  it.effect("end at the tenant", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const links = yield* RiskLinks
      yield* risk
        .record([payment("p1", { entities: { account: "ann", card: "card-1" } })])
        .pipe(tenant("one"))
      const mine = yield* links.ring({ entity: { card: "card-1" } }).pipe(tenant("one"))
      const theirs = yield* links.ring({ entity: { card: "card-1" } }).pipe(tenant("two"))
      assert.lengthOf(mine.entities, 2)
      assert.deepInclude(theirs, { entities: [], links: [], signals: [], truncated: false })
    })
  )
})
