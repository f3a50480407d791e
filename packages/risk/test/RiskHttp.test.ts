import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskApi } from "@hypermarket/risk/RiskApi"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as RiskHttp from "@hypermarket/risk/RiskHttp"
import { RiskLists } from "@hypermarket/risk/RiskLists"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { starterRules } from "@hypermarket/risk/StarterRules"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, DateTime, Effect, Layer } from "effect"
import * as Scene from "./Scene.ts"

const TestServer = TestApi.layer(RiskApi, RiskHttp.layer).pipe(
  Layer.provideMerge(RiskDomain.layer),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: Scene.secretsKeys }))),
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, RiskDomain.domain.migrations))
)

const at = DateTime.makeUnsafe("2099-01-01T00:00:00Z")
const decision = { kind: "payment", subject: "p-http", deadlineMillis: 10_000, entities: { card: "c1" } }

layer(TestServer, { excludeTestServices: true })("RiskHttp", (it) => {
  const seed = Effect.gen(function* () {
    const risk = yield* Risk
    const rules = yield* RiskRules
    const lists = yield* RiskLists
    return yield* Effect.gen(function* () {
      const { version } = yield* rules.create(starterRules)
      const state = yield* rules.state
      yield* rules.choose(state.version, { live: version })
      const answer = yield* risk.decide(
        { kind: "listing", subject: "subject-of-owner", entities: { card: "c1", account: "only-of-owner" } },
        { deadlineMillis: 10_000 }
      )
      const entry = yield* lists.add({ list: "block", entity: { card: "c2" }, reason: "stolen" })
      const snooze = yield* lists.snooze({
        rule: "card-declined-often",
        entity: { card: "c3" },
        until: at,
        reason: "known"
      })
      const decisionId = answer.decisionId ?? ""
      return {
        ownerKey: "owner",
        strangerKey: "stranger",
        params: {
          decisionId,
          kind: "listing",
          subject: "subject-of-owner",
          ruleSet: `v${version}`,
          entryId: entry.entryId,
          snoozeId: snooze.snoozeId
        },
        payloads: {
          decide: decision,
          record: { signals: [{ kind: "order", subject: "o1", entities: {} }] },
          complete: { result: "declined" },
          label: { labels: [{ kind: "payment", subject: "p1", label: "fraud" }] },
          declare: { attributes: [] },
          create: { rules: [] },
          ring: { entity: { card: "c1" } },
          choose: { live: version },
          backtest: { version, from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
          add: { list: "allow", entity: { card: "c4" }, reason: "known" },
          snooze: {
            rule: "returns-often",
            entity: { account: "a1" },
            until: "2099-01-01T00:00:00Z",
            reason: "known"
          }
        },
        watched: [
          `/v1/risk/decisions/${decisionId}`,
          "/v1/risk/rules/live",
          "/v1/risk/signals/listing/subject-of-owner"
        ]
      }
    }).pipe(provide(TenantId.make("owner")))
  })

  TenantIsolation.suite(it, RiskApi, seed)

  DoorIsolation.suite(it, {
    fixed: ["kind"],
    calls: {
      "risk.decide": ({ params }) => [
        { kind: "listing", subject: params["subject"], entities: { card: "c1" } },
        { deadlineMillis: 10_000 }
      ],
      "riskLinks.ring": () => [{ entity: { account: "only-of-owner" } }],
      "risk.samples": () => [{ kind: "listing", from: "2020-01-01T00:00:00Z", to: "2099-01-01T00:00:00Z" }]
    },
    domain: RiskDomain,
    settings: { HM_SECRETS_KEYS: Scene.secretsKeys },
    seed
  })

  it.effect("decides once per key, and names the field of what it refuses", () =>
    Effect.gen(function* () {
      const first = yield* TestApi.send("POST", "/v1/risk/decisions", { body: decision })
      const again = yield* TestApi.send("POST", "/v1/risk/decisions", {
        body: { ...decision, deadlineMillis: 9_000 }
      })
      assert.strictEqual(first.status, 200)
      assert.strictEqual(again.body["decisionId"], first.body["decisionId"])
      const other = yield* TestApi.send("POST", "/v1/risk/decisions", {
        body: { ...decision, entities: { card: "c2" } }
      })
      assert.deepInclude(other.body, { status: 409, type: "urn:hypermarket:problem:risk:signal-key-reused" })
      const old = yield* TestApi.send("POST", "/v1/risk/decisions", {
        body: { ...decision, subject: "p-old", occurredAt: "2020-01-01T00:00:00Z" }
      })
      assert.strictEqual(old.status, 422)
      assert.include(old.text, "occurredAt")
      const absurd = yield* TestApi.send("POST", "/v1/risk/decisions", {
        body: { ...decision, entities: { email: "kim" } }
      })
      assert.strictEqual(absurd.status, 400)
      assert.include(absurd.text, "email")
    })
  )

  it.effect("chooses a version at the revision of If-Match, and refuses a stale one", () =>
    Effect.gen(function* () {
      const created = yield* TestApi.send("POST", "/v1/risk/rule-sets", { body: starterRules })
      assert.strictEqual(created.status, 201)
      const version = Number(created.body["version"])
      const state = yield* TestApi.send("GET", "/v1/risk/rules/live")
      const revision = state.body["version"]
      const put = (etag: unknown) =>
        TestApi.send("PUT", "/v1/risk/rules/live", {
          body: { live: version },
          headers: { "if-match": `"${String(etag)}"` }
        })
      assert.strictEqual((yield* put(revision)).status, 200)
      assert.strictEqual((yield* put(revision)).status, 412)
      assert.strictEqual(
        (yield* TestApi.send("PUT", "/v1/risk/rules/live", { body: { live: version } })).status,
        428
      )
    })
  )

  it.effect("returns the rule, line and column of each mistake", () =>
    Effect.gen(function* () {
      const answer = yield* TestApi.send("POST", "/v1/risk/rule-sets", {
        body: { rules: [{ key: "a", expression: "amount >> 1", reason: "A" }] }
      })
      assert.strictEqual(answer.status, 422)
      assert.include(answer.text, '"column"')
    })
  )
})
