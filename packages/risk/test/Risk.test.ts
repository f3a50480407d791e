import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { Secrets } from "@hypermarket/core/Secrets"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskLinks } from "@hypermarket/risk/RiskLinks"
import { RiskLists } from "@hypermarket/risk/RiskLists"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { ConfigProvider, DateTime, Effect, Fiber, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

layer(Scene.layer, { excludeTestServices: true })("Risk", (it) => {
  it.effect("blocks the sixth try of a card within an hour and explains it", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* Scene.goLive({
        rules: [
          {
            key: "card-testing",
            expression: 'count("card", "1h", "payment", "declined") >= 5',
            reason: "CARD_TESTING",
            outcome: "block"
          }
        ]
      })
      for (let index = 1; index <= 5; index++) {
        const answer = yield* risk.decide(payment(`p${index}`), patient)
        assert.deepInclude(answer, { outcome: "allow", fallback: null })
        yield* risk.complete("payment", `p${index}`, { result: "declined" })
      }
      const answer = yield* risk.decide(payment("p6"), patient)
      assert.strictEqual(answer.outcome, "block")
      assert.deepStrictEqual(answer.reasons, ["CARD_TESTING"])
      assert.isNotNull(answer.decisionId)
      if (answer.decisionId === null) return
      const decision = yield* risk.explain(answer.decisionId)
      assert.deepStrictEqual(decision.verdict.fired, [
        {
          rule: "card-testing",
          reason: "CARD_TESTING",
          weight: 0,
          outcome: "block",
          values: { "count(card,1h,payment,declined)": "5" }
        }
      ])
      assert.strictEqual(decision.frozen.features["count(card,1h,payment,declined)"], "5")
    }).pipe(tenant("acme"))
  )

  it.effect("returns the same decision for the same key and body, and refuses another body", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const first = yield* risk.decide(payment("p1", { key: "k1" }), patient)
      const again = yield* risk.decide(payment("p1", { key: "k1" }), patient)
      assert.strictEqual(again.decisionId, first.decisionId)
      const error = yield* Effect.flip(risk.decide(payment("p1", { key: "k1", result: "declined" }), patient))
      assert.strictEqual(error._tag, "SignalKeyReused")
      const other = yield* risk.decide(payment("p1", { key: "k2" }), patient)
      assert.notStrictEqual(other.decisionId, first.decisionId)
      const decisions = yield* risk.list({})
      assert.deepStrictEqual(
        decisions.items.map(({ number }) => number),
        [2, 1]
      )
    }).pipe(tenant("keys"))
  )

  it.effect(
    "refuses another decision about a subject whose signal is no longer kept, and writes nothing",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        const strict = { rules: [], strict: "card" } as const
        for (const ruleSet of [{ rules: [] }, strict]) {
          yield* Scene.goLive(ruleSet)
          const subject = ruleSet === strict ? "p-strict" : "p-plain"
          const first = yield* risk.decide(payment(subject), patient)
          // As the job that drops partitions does.
          yield* sql`
          DELETE FROM hm_fraud_signal
           WHERE tenant_id = 'retention'
             AND subject = ${subject}
        `
          const error = yield* Effect.flip(risk.decide(payment(subject, { key: `${subject}-2` }), patient))
          assert.deepInclude(error, {
            _tag: "SignalInvalid",
            errors: [{ path: ["subject"], message: "Expected a subject that happened at most 91 days ago" }]
          })
          const keys = yield* sql`
          SELECT key
            FROM hm_fraud_signal_key
           WHERE key = ${`${subject}-2`}
        `
          assert.deepStrictEqual(keys, [])
          // The decision is kept for longer, and so is its key.
          assert.strictEqual((yield* risk.decide(payment(subject), patient)).decisionId, first.decisionId)
        }
      }).pipe(tenant("retention"))
  )

  it.effect("refuses to decide inside a transaction of the caller", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      const error = yield* Effect.flip(transactionOf(sql)(risk.decide(payment("p1"), patient)))
      assert.propertyVal(error, "_tag", "DecisionInTransaction")
    }).pipe(tenant("nested"))
  )

  it.effect(
    "answers with the caller's fallback at the deadline, and with the decision at the same key later",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        yield* Scene.goLive({
          rules: [{ key: "any", expression: "true", reason: "ANY", outcome: "hold" }],
          strict: "card"
        })
        // Decisions wait for the row of their subject, as behind a slow disk.
        const letGo = yield* HeldTransaction.hold(
          sql`LOCK TABLE hm_fraud_signal_subject IN EXCLUSIVE MODE`,
          Effect.void
        )
        const late = yield* risk.decide(payment("p1"), { deadlineMillis: 50, fallback: "challenge" })
        assert.deepInclude(late, { outcome: "challenge", fallback: "deadline", decisionId: null })
        yield* letGo
        // The decision is made although its caller has gone.
        const { items } = yield* Effect.repeat(risk.list({}), {
          schedule: Schedule.spaced("20 millis"),
          until: (page) => page.items.length > 0
        })
        const answer = yield* risk.decide(payment("p1"), patient)
        assert.deepInclude(answer, {
          outcome: "hold",
          fallback: null,
          decisionId: items[0]?.decisionId ?? null
        })
        assert.lengthOf((yield* risk.list({})).items, 1)
      }).pipe(tenant("deadline"))
  )

  it.effect("An order decided at checkout and published later is one event", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const now = yield* Now.now
      const order = (version: number) => ({
        version,
        occurredAt: now,
        signal: {
          kind: "order",
          subject: "o1",
          source: "/shop",
          entities: { account: "a1" },
          attributes: { lines: version }
        } satisfies NewSignal
      })
      yield* Scene.goLive({
        rules: [
          { key: "second", expression: 'count("account", "24h") >= 1', reason: "SECOND", outcome: "review" }
        ]
      })
      yield* Effect.all(
        [
          risk.decide({ kind: "order", subject: "o1", entities: { account: "a1" } }, patient),
          ...[1, 2, 3, 4, 5, 6].map((version) => risk.observe([order(version)]))
        ],
        { concurrency: "unbounded" }
      )
      const signal = yield* risk.getSignal("order", "o1")
      assert.strictEqual(signal.attributes["lines"], 6)
      const next = yield* risk.decide({ kind: "order", subject: "o2", entities: { account: "a1" } }, patient)
      assert.isNotNull(next.decisionId)
      if (next.decisionId === null) return
      const decision = yield* risk.explain(next.decisionId)
      assert.strictEqual(decision.frozen.features["count(account,24h)"], "1")
    }).pipe(tenant("one-event"))
  )

  it.effect(
    "The same order by decide, order.placed and five order.changed, in any order, is one signal",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        const now = yield* Now.now
        const random = Scene.random(21)
        yield* Scene.goLive({
          rules: [{ key: "n", expression: 'count("account", "24h") >= 1000', reason: "N", outcome: "review" }]
        })
        const orders = Array.from({ length: 12 }, (_, index) => `o${index}`)
        for (const [index, subject] of orders.entries()) {
          const entities = { account: `a-${subject}` }
          const observed = (version: number) => ({
            version,
            occurredAt: now,
            signal: {
              kind: "order",
              subject,
              source: "/shop",
              entities,
              attributes: { lines: version }
            } satisfies NewSignal
          })
          const calls = [
            risk.decide({ kind: "order", subject, entities }, patient).pipe(Effect.asVoid, Effect.orDie),
            ...[1, 2, 3, 4, 5, 6].map((version) =>
              risk.observe([observed(version)]).pipe(Effect.asVoid, Effect.orDie)
            )
          ]
            .map((call) => ({ call, place: random() }))
            .toSorted((left, right) => left.place - right.place)
          // One after another, and all at once.
          yield* Effect.forEach(calls, ({ call }) => call, {
            concurrency: index % 2 === 0 ? 1 : "unbounded",
            discard: true
          })
          assert.strictEqual((yield* risk.getSignal("order", subject)).attributes["lines"], 6)
        }
        const counted = yield* sql`
        SELECT count(DISTINCT s.signal_id)::integer AS signals, count(e.signal_id)::integer AS events
          FROM hm_fraud_signal s
          LEFT JOIN hm_fraud_entity_event e
            ON e.tenant_id = s.tenant_id
           AND e.signal_id = s.signal_id
         WHERE s.tenant_id = 'any-order'
      `
        assert.deepStrictEqual(counted, [{ signals: orders.length, events: orders.length }])
      }).pipe(tenant("any-order"))
  )

  it.effect("answers with the fallback when the database is lost, and decides at the same key later", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      yield* Scene.goLive({ rules: [{ key: "any", expression: "true", reason: "ANY", outcome: "hold" }] })
      const letGo = yield* HeldTransaction.hold(
        sql`LOCK TABLE hm_risk_decision IN EXCLUSIVE MODE`,
        Effect.void
      )
      const asked = yield* Effect.forkChild(
        risk.decide(payment("lost"), { ...patient, fallback: "challenge" })
      )
      yield* sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_locks
         WHERE NOT granted AND relation = 'hm_risk_decision'::regclass
      `.pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (rows) => rows.length > 0 }))
      assert.deepInclude(yield* Fiber.join(asked), {
        outcome: "challenge",
        fallback: "unavailable",
        decisionId: null
      })
      yield* letGo
      assert.deepInclude(yield* risk.decide(payment("lost"), patient), { outcome: "hold", fallback: null })
    }).pipe(tenant("lost"))
  )

  it.effect("Blocked kim@x.de is also KIM@X.DE, and a /64 is one address", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const lists = yield* RiskLists
      yield* lists.add({ list: "block", entity: { email: "kim@x.de" }, reason: "fraud" })
      yield* lists.add({ list: "block", entity: { ip: "2001:db8:0:1::1" }, reason: "bots" })
      const email = yield* risk.decide(payment("e1", { entities: { email: "KIM@X.DE" } }), patient)
      assert.deepInclude(email, { outcome: "block" })
      assert.deepStrictEqual(email.reasons, ["BLOCK_LIST"])
      const address = yield* risk.decide(payment("e2", { entities: { ip: "2001:db8:0:1:ffff::2" } }), patient)
      assert.strictEqual(address.outcome, "block")
      const other = yield* risk.decide(payment("e3", { entities: { ip: "2001:db8:0:2::1" } }), patient)
      assert.strictEqual(other.outcome, "allow")
    }).pipe(tenant("lists"))
  )

  it.effect("lists and snoozes an entity until their end", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const lists = yield* RiskLists
      const testNow = yield* Now.TestNow
      yield* Scene.goLive({ rules: [{ key: "all", expression: "true", reason: "ALL", outcome: "hold" }] })
      const end = DateTime.makeUnsafe((yield* Now.now).getTime() + 3_600_000)
      yield* lists.add({ list: "block", entity: { card: "listed" }, reason: "stolen", expiresAt: end })
      yield* lists.snooze({ rule: "all", entity: { account: "known" }, reason: "known", until: end })
      const outcomes = (name: string) =>
        Effect.forEach([{ card: "listed" }, { account: "known" }, { account: "other" }], (entities, index) =>
          Effect.map(
            risk.decide(payment(`${name}-${index}`, { entities }), patient),
            ({ outcome }) => outcome
          )
        )
      assert.deepStrictEqual(yield* outcomes("before"), ["block", "allow", "hold"])
      yield* testNow.adjust("61 minutes")
      assert.deepStrictEqual(yield* outcomes("after"), ["hold", "hold", "hold"])
    }).pipe(tenant("ends"))
  )

  it.effect("puts the block list over the allow list over rules, and keeps what was overridden", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const lists = yield* RiskLists
      yield* Scene.goLive({ rules: [{ key: "all", expression: "true", reason: "ALL", outcome: "hold" }] })
      yield* lists.add({ list: "allow", entity: { account: "good" }, reason: "known" })
      yield* lists.add({ list: "block", entity: { card: "bad" }, reason: "stolen" })
      const allowed = yield* risk.decide(payment("p1", { entities: { account: "good" } }), patient)
      assert.strictEqual(allowed.outcome, "allow")
      const blocked = yield* risk.decide(
        payment("p2", { entities: { account: "good", card: "bad" } }),
        patient
      )
      assert.strictEqual(blocked.outcome, "block")
      if (blocked.decisionId === null) return
      const { verdict } = yield* risk.explain(blocked.decisionId)
      assert.strictEqual(verdict.overridden, "hold")
      assert.deepStrictEqual(verdict.reasons, ["BLOCK_LIST", "ALL"])
    }).pipe(tenant("precedence"))
  )

  it.effect(
    "Two tenants with one card have different hashes, and none is found after the key is erased",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const links = yield* RiskLinks
        const lists = yield* RiskLists
        const sql = yield* SqlClient
        const secrets = yield* Effect.provide(
          Secrets,
          Secrets.layer.pipe(
            Layer.provide(
              ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: Scene.secretsKeys }))
            )
          )
        )
        for (const name of ["one", "two"]) {
          yield* risk.decide(payment("p1", { entities: { card: "shared" } }), patient).pipe(tenant(name))
        }
        const rows = yield* sql<{ readonly entity: bigint }>`
        SELECT entity
          FROM hm_fraud_entity_event
         WHERE tenant_id IN ('one', 'two')
      `
        assert.lengthOf(new Set(rows.map(({ entity }) => String(entity))), 2)
        yield* Scene.goLive({
          rules: [{ key: "c", expression: 'count("card", "24h") > 0', reason: "C", outcome: "block" }]
        }).pipe(tenant("one"))
        const before = yield* risk
          .decide(payment("p2", { entities: { card: "shared" } }), patient)
          .pipe(tenant("one"))
        assert.strictEqual(before.outcome, "block")
        yield* lists
          .add({ list: "block", entity: { account: "listed" }, reason: "fraud" })
          .pipe(tenant("one"))
        const listed = (subject: string) =>
          risk
            .decide(payment(subject, { entities: { account: "listed", device: "linked" } }), patient)
            .pipe(tenant("one"))
        assert.deepInclude(yield* listed("p3"), { outcome: "block", reasons: ["BLOCK_LIST"] })
        const ring = (name: string) => links.ring({ entity: { device: "linked" } }).pipe(tenant(name))
        assert.lengthOf((yield* ring("one")).signals, 1)
        yield* secrets.forget("hm_fraud_signal.entities").pipe(tenant("one"))
        assert.deepInclude(yield* ring("one"), { entities: [], signals: [] })
        const after = yield* risk
          .decide(payment("p4", { entities: { card: "shared" } }), patient)
          .pipe(tenant("one"))
        assert.strictEqual(after.outcome, "allow")
        assert.deepInclude(yield* listed("p5"), { outcome: "allow", reasons: [] })
      })
  )
})
