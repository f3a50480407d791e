import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagExplanation } from "@hypermarket/platform/FlagEvaluation"
import { FlagsApi } from "@hypermarket/platform/FlagsApi"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import * as FlagsHttp from "@hypermarket/platform/FlagsHttp"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"

const TestServer = TestApi.layer(FlagsApi, FlagsHttp.layer).pipe(
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const owner = TenantId.make("owner")
const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }
const german = { attribute: "country", operator: "in" as const, values: ["DE"] }

layer(TestServer, { excludeTestServices: true })("FlagsHttp", (it) => {
  const seed = Effect.gen(function* () {
    const flags = yield* FeatureFlags
    const segments = yield* FlagSegments
    const flagKey = `flag-${crypto.randomUUID()}`
    const segmentKey = `segment-${crypto.randomUUID()}`
    yield* flags.create({ flagKey, kind: "boolean", environments: { live: on } }).pipe(provide(owner))
    yield* segments.create({ segmentKey, condition: german }).pipe(provide(owner))
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { flagKey, segmentKey, environment: "live" },
      payloads: {
        createFlag: { flagKey: `new-${crypto.randomUUID()}`, kind: "boolean" },
        changeFlag: { owner: "somebody else" },
        setEnvironment: { isEnabled: false, rules: [], otherwise: null },
        killFlag: { reason: "test" },
        archiveFlag: { reason: "test" },
        rollBackFlag: { version: 1 },
        explainFlag: { environment: "live", context: { targetingKey: "1" } },
        createSegment: { segmentKey: `new-${crypto.randomUUID()}`, condition: german },
        changeSegment: { description: "changed" }
      },
      watched: [`/v1/platform/flags/${flagKey}`, `/v1/platform/segments/${segmentKey}`]
    }
  })

  TenantIsolation.suite(it, FlagsApi, seed)

  DoorIsolation.suite(it, {
    fixed: ["environment"],
    domain: PlatformDomain,
    services: ["flags", "segments", "flagEvaluations"],
    seed
  })

  it.effect("creates a flag, changes it at its version, compares and restores versions", () =>
    Effect.gen(function* () {
      const path = "/v1/platform/flags/life"
      const made = yield* TestApi.send("POST", "/v1/platform/flags", {
        body: { flagKey: "life", kind: "boolean", environments: { live: on } }
      })
      assert.strictEqual(made.status, 201, made.text)
      assert.strictEqual(made.headers["etag"], '"1"')
      assert.deepInclude(made.body, { salt: "life", hashing: "murmur3", status: "active", version: 1 })
      const body = { isEnabled: true, rules: [], otherwise: { variant: "off" } }
      const without = yield* TestApi.send("PUT", `${path}/environments/live`, { body })
      assert.strictEqual(without.status, 428)
      const set = yield* TestApi.send("PUT", `${path}/environments/live`, {
        body,
        headers: { "if-match": '"1"' }
      })
      assert.strictEqual(set.status, 200, set.text)
      const stale = yield* TestApi.send("PATCH", path, {
        body: { owner: "late" },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(stale.body, { status: 412, currentVersion: 2 })
      const difference = yield* TestApi.send("GET", `${path}/diff?from=1&to=2`)
      assert.deepStrictEqual(difference.body["patch"], [
        { op: "replace", path: "/environments/live/otherwise/variant", value: "off" }
      ])
      const back = yield* TestApi.send("POST", `${path}/rollback`, {
        body: { version: 1 },
        headers: { "if-match": '"2"' }
      })
      assert.strictEqual(back.status, 200, back.text)
      assert.deepInclude(back.body, { version: 3, environments: { live: on } })
      const versions = yield* TestApi.send("GET", `${path}/versions`)
      const items = versions.body["items"]
      assert.isTrue(Array.isArray(items) && items.length === 3, versions.text)
      const never = yield* TestApi.send("POST", `${path}/rollback`, {
        body: { version: 9 },
        headers: { "if-match": '"3"' }
      })
      assert.strictEqual(never.status, 404)
    })
  )

  it.effect("turns a flag off at whatever version it is, and again without a change", () =>
    Effect.gen(function* () {
      yield* TestApi.send("POST", "/v1/platform/flags", {
        body: { flagKey: "kill", kind: "boolean", environments: { live: on } }
      })
      const path = "/v1/platform/flags/kill/environments/live/kill"
      const first = yield* TestApi.send("POST", path, { body: { reason: "errors" } })
      const second = yield* TestApi.send("POST", path, { body: { reason: "errors" } })
      assert.deepInclude(first.body, { version: 2, environments: { live: { ...on, isEnabled: false } } })
      assert.deepStrictEqual(second.body, first.body)
      const elsewhere = yield* TestApi.send("POST", path.replace("live", "staging"), {
        body: { reason: "errors" }
      })
      assert.strictEqual(elsewhere.status, 404)
    })
  )

  it.effect("refuses what cannot be evaluated, names the caller's field and stores nothing", () =>
    Effect.gen(function* () {
      yield* TestApi.send("POST", "/v1/platform/flags", {
        body: { flagKey: "needed", kind: "boolean", environments: { live: on } }
      })
      const rule = { ruleId: "r", serve: { variant: "on" } }
      const refusals: ReadonlyArray<readonly [object, number, string]> = [
        [
          { rules: [{ ...rule, condition: { attribute: "a", operator: "like", value: 1 } }] },
          400,
          "condition"
        ],
        [
          { rules: [{ ...rule, condition: { attribute: "a", operator: "matches", pattern: "(?=a)" } }] },
          422,
          "pattern"
        ],
        [{ rules: [{ ...rule, condition: { segment: "nowhere" } }] }, 422, "segment"],
        [{ rules: [{ ...rule, condition: { not: { segment: "nowhere" } } }] }, 422, "segment"],
        [{ rules: [{ ...rule, serve: { variant: "nothing" } }] }, 422, "variant"],
        [{ rules: [{ ...rule, serve: { weights: [{ variant: "on", weight: 99 }] } }] }, 400, "weights"],
        [{ rules: [{ ...rule, percentage: 12.3456 }] }, 400, "percentage"],
        [{ rules: [rule, rule] }, 400, "rules"],
        [{ rules: [{ ...rule, prerequisites: [{ flag: "nowhere", variants: ["on"] }] }] }, 422, "flag"],
        [{ rules: [{ ...rule, prerequisites: [{ flag: "needed", variants: ["blue"] }] }] }, 422, "variants"],
        [
          { rules: [{ ...rule, prerequisites: [{ flag: "refused", variants: ["on"] }] }] },
          422,
          "prerequisites"
        ],
        [{ offVariant: "nothing" }, 422, "offVariant"]
      ]
      for (const [state, status, field] of refusals) {
        const answer = yield* TestApi.send("POST", "/v1/platform/flags", {
          body: { flagKey: "refused", kind: "boolean", environments: { live: { ...on, ...state } } }
        })
        assert.strictEqual(answer.status, status, answer.text)
        assert.include(answer.text, `"environments","live"`)
        assert.include(answer.text, field)
      }
      const kind = yield* TestApi.send("POST", "/v1/platform/flags", {
        body: { flagKey: "refused", kind: "number", variants: [{ name: "one", value: "1" }] }
      })
      assert.strictEqual(kind.status, 422)
      assert.include(kind.text, `["variants",0,"value"]`)
      assert.strictEqual((yield* TestApi.send("GET", "/v1/platform/flags/refused")).status, 404)
    })
  )

  it.effect("reports a cycle of prerequisites and keeps what others need", () =>
    Effect.gen(function* () {
      const needs = (flag: string) => ({
        ...on,
        rules: [{ ruleId: "r", prerequisites: [{ flag, variants: ["on"] }], serve: { variant: "on" } }]
      })
      const create = (flagKey: string, live: object) =>
        TestApi.send("POST", "/v1/platform/flags", {
          body: { flagKey, kind: "boolean", environments: { live: { ...on, ...live } } }
        })
      yield* create("c-a", {})
      yield* create("c-b", needs("c-a"))
      yield* create("c-c", needs("c-b"))
      const cycle = yield* TestApi.send("PUT", "/v1/platform/flags/c-a/environments/live", {
        body: needs("c-c"),
        headers: { "if-match": '"1"' }
      })
      assert.strictEqual(cycle.status, 422, cycle.text)
      assert.include(cycle.text, "c-a > c-c > c-b > c-a")
      const archive = yield* TestApi.send("POST", "/v1/platform/flags/c-a/archive", {
        body: { reason: "done" },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(archive.body, { status: 409, usedBy: ["c-b"] })
      const rename = yield* TestApi.send("PATCH", "/v1/platform/flags/c-a", {
        body: { flagKey: "c-z" },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(rename.body, { status: 409, usedBy: ["c-b"] })
      const archived = yield* TestApi.send("POST", "/v1/platform/flags/c-c/archive", {
        body: { reason: "done" },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(archived.body, { status: "archived", archivedReason: "done" })
      assert.strictEqual((yield* create("c-c", {})).status, 201)
    })
  )

  it.effect("keeps a segment that a flag or a segment uses", () =>
    Effect.gen(function* () {
      const create = (segmentKey: string, condition: object) =>
        TestApi.send("POST", "/v1/platform/segments", { body: { segmentKey, condition: { ...condition } } })
      yield* create("s-a", german)
      yield* create("s-b", { not: { segment: "s-a" } })
      const unknown = yield* create("s-c", { segment: "s-z" })
      assert.strictEqual(unknown.status, 422)
      assert.include(unknown.text, `["condition","segment"]`)
      const cycle = yield* TestApi.send("PATCH", "/v1/platform/segments/s-a", {
        body: { condition: { segment: "s-b" } },
        headers: { "if-match": '"1"' }
      })
      assert.strictEqual(cycle.status, 422, cycle.text)
      yield* TestApi.send("POST", "/v1/platform/flags", {
        body: {
          flagKey: "s-flag",
          kind: "boolean",
          environments: {
            live: {
              ...on,
              rules: [{ ruleId: "r", condition: { segment: "s-b" }, serve: { variant: "on" } }]
            }
          }
        }
      })
      const remove = (key: string) =>
        TestApi.send("DELETE", `/v1/platform/segments/${key}`, { headers: { "if-match": '"1"' } })
      assert.deepInclude((yield* remove("s-a")).body, { status: 409, usedBy: ["s-b", "s-flag"] })
      assert.deepInclude((yield* remove("s-b")).body, { status: 409, usedBy: ["s-flag"] })
      yield* TestApi.send("POST", "/v1/platform/flags/s-flag/archive", {
        body: { reason: "done" },
        headers: { "if-match": '"1"' }
      })
      assert.strictEqual((yield* remove("s-b")).status, 204)
    })
  )

  it.effect("explains every rule of a flag and why", () =>
    Effect.gen(function* () {
      yield* TestApi.send("POST", "/v1/platform/flags", {
        body: {
          flagKey: "why",
          kind: "boolean",
          environments: {
            live: {
              isEnabled: true,
              rules: [
                { ruleId: "none", percentage: 0, serve: { variant: "on" } },
                { ruleId: "german", condition: german, serve: { variant: "on" } },
                { ruleId: "rest", serve: { variant: "on" } }
              ],
              otherwise: { variant: "off" }
            }
          }
        }
      })
      const explained = yield* TestApi.send("POST", "/v1/platform/flags/why/explain", {
        body: { environment: "live", context: { targetingKey: "1", country: "FR" } }
      })
      assert.strictEqual(explained.status, 200, explained.text)
      const { rules } = yield* Schema.decodeUnknownEffect(FlagExplanation)(explained.body)
      assert.deepStrictEqual(
        rules.map(({ decided, outcome, ruleId }) => [ruleId, outcome, decided]),
        [
          ["none", "bucket", false],
          ["german", "condition", false],
          ["rest", "applies", true]
        ]
      )
      assert.deepInclude(rules[1]?.["condition"], { outcome: "false", attribute: "country" })
    })
  )
})
