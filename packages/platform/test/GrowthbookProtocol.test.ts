import { GrowthBook, setPolyfills } from "@growthbook/growthbook"
import { assert, layer } from "@effect/vitest"
import * as Sse from "@hypermarket/core/Sse"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import type { FlagRule } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagEvaluations } from "@hypermarket/platform/FlagEvaluations"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import { Deferred, Effect, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { EventSource } from "eventsource"
import { flagOf } from "./exportedFlags.ts"
import { baseUrl, keyOf, layerServer, post } from "./flagServer.ts"

setPolyfills({ EventSource })

const rule: FlagRule = {
  ruleId: "alps",
  condition: { segment: "alps" },
  percentage: 40,
  serve: { variant: "on" }
}

const seed = Effect.gen(function* () {
  const flags = yield* FeatureFlags
  const segments = yield* FlagSegments
  yield* segments.create({
    segmentKey: "alps",
    condition: { attribute: "country", operator: "in", values: ["Liechtenstein", "Slovenia"] }
  })
  const address: FlagRule = {
    ruleId: "office",
    condition: { attribute: "ip", operator: "network", values: ["198.51.100.0/24"] },
    serve: { variant: "on" }
  }
  yield* flags.create(flagOf("shown", { rules: [rule], hasPublicRules: true }))
  yield* flags.create(flagOf("hidden", { rules: [rule] }))
  yield* flags.create(flagOf("office", { rules: [address], hasPublicRules: true }))
})

const users = Array.from({ length: 200 }, (_, index) => ({
  id: `user-${index}`,
  country: index % 2 === 0 ? "Slovenia" : "Norway",
  ip: index % 3 === 0 ? "198.51.100.7" : "203.0.113.9"
}))

/** A client of the SDK that is destroyed with the scope. */
const sdk = Effect.fnUntraced(function* (clientKey: string, options: { readonly remoteEval?: boolean } = {}) {
  const apiHost = `${yield* baseUrl}/growthbook`
  return yield* Effect.acquireRelease(
    Effect.sync(() => new GrowthBook({ apiHost, clientKey, ...options })),
    (client) => Effect.sync(() => client.destroy({ destroyAllStreams: true }))
  )
})

const until = <A>(read: () => A, holds: (value: A) => boolean) =>
  Effect.sync(read).pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }))

layer(layerServer, { excludeTestServices: true })("GrowthBook's SDK", (it) => {
  it.effect(
    "evaluates what it can express as the platform does, and has the reason of every other flag",
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("gb-server")
        yield* seed.pipe(provide(tenantId))
        const evaluations = yield* FlagEvaluations
        const evaluator = yield* evaluations.newest("live").pipe(provide(tenantId))
        const key = yield* keyOf(tenantId)
        const client = yield* sdk(key)
        const loaded = yield* Effect.promise(() => client.init({ timeout: 10_000 }))
        assert.isTrue(loaded.success)
        for (const user of users) {
          yield* Effect.promise(() => client.setAttributes(user))
          for (const flagKey of ["shown", "hidden"]) {
            const ours = evaluator.evaluate(flagKey, { ...user, targetingKey: user.id })
            const theirs = client.evalFeature(flagKey)
            assert.deepStrictEqual([theirs.value, theirs.ruleId], [ours.value, ours.ruleId ?? ""])
          }
        }
        const answer = yield* HttpClient.get(`/growthbook/api/features/${key}`)
        const body = yield* answer.json
        assert.propertyVal(body, "status", 200)
        assert.deepPropertyVal(body, "refused", {
          office: ['rule "office": GrowthBook has no operator network']
        })
      })
  )

  it.effect("gets every flag evaluated with `remoteEval`, those that it cannot express included", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("gb-remote")
      yield* seed.pipe(provide(tenantId))
      const evaluations = yield* FlagEvaluations
      const evaluator = yield* evaluations.newest("live").pipe(provide(tenantId))
      const client = yield* sdk(yield* keyOf(tenantId, { kind: "client" }), { remoteEval: true })
      for (const user of users.slice(0, 12)) {
        yield* Effect.promise(() => client.setAttributes(user))
        yield* Effect.promise(() => client.refreshFeatures({ skipCache: true }))
        for (const flagKey of ["shown", "hidden", "office"]) {
          const ours = evaluator.evaluate(flagKey, { ...user, targetingKey: user.id })
          assert.strictEqual(client.getFeatureValue<boolean | null>(flagKey, null), ours.value, flagKey)
        }
      }
    })
  )

  it.effect("A client key never receives rules, segments or ids of people of a flag that is not public", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("gb-client")
      yield* seed.pipe(provide(tenantId))
      const flags = yield* FeatureFlags
      yield* flags
        .create(
          flagOf("people", {
            rules: [
              {
                ruleId: "vip-list",
                condition: { attribute: "email", operator: "in", values: ["grace@navy.example"] },
                serve: { variant: "on" }
              }
            ]
          })
        )
        .pipe(provide(tenantId))
      const key = yield* keyOf(tenantId, { kind: "client" })
      const features = yield* Effect.flatMap(
        HttpClient.get(`/growthbook/api/features/${key}`),
        ({ text }) => text
      )
      assert.deepStrictEqual(Object.keys(JSON.parse(features)), ["status", "features"])
      assert.deepStrictEqual(Object.keys(JSON.parse(features).features), ["shown"])
      const attributes = { id: "user-1", country: "Norway" }
      const evaluated = yield* post(`/growthbook/api/eval/${key}`, { attributes }, {})
      const ofrep = yield* post(
        "/ofrep/v1/evaluate/flags",
        { context: { targetingKey: "user-1" } },
        { authorization: `Bearer ${key}` }
      )
      for (const text of [features, evaluated.text, ofrep.text]) {
        for (const secret of ["grace", "navy.example", "vip-list", "198.51.100", 'office":{"rules']) {
          assert.notInclude(text, secret)
        }
      }
      // `shown` is public: its segment's values are in it, and nowhere else.
      for (const text of [evaluated.text, ofrep.text]) assert.notInclude(text, "Liechtenstein")
      assert.include(features, "Liechtenstein")
    })
  )

  it.effect(
    "follows changes by its stream, with features for a server key and by fetching for a client key",
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("gb-stream")
        const flags = yield* FeatureFlags
        yield* flags.create(flagOf("live-one", { hasPublicRules: true })).pipe(provide(tenantId))
        const clients = yield* Effect.forEach(
          [yield* keyOf(tenantId), yield* keyOf(tenantId, { kind: "client" })],
          Effect.fnUntraced(function* (key) {
            const client = yield* sdk(key)
            yield* Effect.promise(() => client.init({ streaming: true, timeout: 10_000 }))
            return client
          })
        )
        const counts = yield* Sse.OpenStreams
        yield* until(
          () => counts.of(`tenant ${tenantId}`),
          (open) => open === 2
        )
        assert.deepStrictEqual(
          clients.map((client) => client.isOn("live-one")),
          [false, false]
        )
        yield* flags
          .setEnvironment("live-one", "live", 1, {
            isEnabled: true,
            rules: [],
            otherwise: { variant: "on" },
            hasPublicRules: true
          })
          .pipe(provide(tenantId))
        for (const client of clients)
          yield* until(
            () => client.isOn("live-one"),
            (isOn) => isOn
          )
        for (const client of clients) client.destroy({ destroyAllStreams: true })
        yield* until(
          () => counts.of(`tenant ${tenantId}`),
          (open) => open === 0
        )
      }).pipe(Effect.scoped)
  )

  it.effect("is sent nothing more once its key is revoked", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("gb-revoked")
      const flags = yield* FeatureFlags
      const keys = yield* ApiKeys
      yield* flags.create(flagOf("secret", {})).pipe(provide(tenantId))
      const key = yield* keyOf(tenantId)
      const [first, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const seen: Array<string> = []
      const source = new EventSource(`${yield* baseUrl}/growthbook/sub/${key}`)
      source.addEventListener("features", ({ data }) => {
        seen.push(String(data))
        Deferred.doneUnsafe(first, Effect.void)
      })
      // The reader opens it again, and is answered 401.
      source.addEventListener("error", ({ code }) => {
        if (code === 401) Deferred.doneUnsafe(ended, Effect.void)
      })
      yield* Deferred.await(first)
      const { items } = yield* keys.list({}).pipe(provide(tenantId))
      for (const { apiKeyId, version } of items) {
        yield* keys.revoke(apiKeyId, version, "left the company").pipe(provide(tenantId))
      }
      // Within 5 seconds no process accepts the key: changes until then may still be sent.
      const change = Effect.gen(function* () {
        const { version } = yield* flags.get("secret")
        yield* flags.change("secret", version, { metadata: { version } })
      }).pipe(provide(tenantId), Effect.repeat(Schedule.spaced("500 millis")))
      yield* Effect.raceFirst(Deferred.await(ended), change)
      source.close()
      assert.isNotEmpty(seen)
    }).pipe(Effect.provideService(AllTenants, { actor: "test" }))
  )
})
