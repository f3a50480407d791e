import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import type { FlagRule, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagEvaluations } from "@hypermarket/platform/FlagEvaluations"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import * as FlagExports from "@hypermarket/platform/FlagExports"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { InMemStorageProvider, Unleash } from "unleash-client"
import { UnleashClient } from "unleash-proxy-client"
import { flagOf, oddUsersOf } from "./exportedFlags.ts"
import { baseUrl, keyOf, layerServer, post } from "./flagServer.ts"
import { flagsOf, segmentsOf, type User, usersOf } from "./generatedFlags.ts"

const seed = Number(process.env["HM_TEST_SEED"] ?? 31)
const isFull = process.env["HM_TEST_FLAGS"] === "full"
const flagsCount = isFull ? 1_000 : 120
const usersCount = isFull ? 1_000 : 150

/** A started SDK that is stopped with the scope. */
const sdk = Effect.fnUntraced(function* (key: string) {
  const url = `${yield* baseUrl}/unleash/api`
  return yield* Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Unleash>((resolve, reject) => {
          const client = new Unleash({
            url,
            appName: "shop",
            customHeaders: { Authorization: key },
            refreshInterval: 3_600_000,
            // Its timer of metrics outlives a flush: metrics are flushed by the test alone.
            metricsInterval: 0,
            // Its default keeps toggles in a file, and a new client begins with them.
            storageProvider: new InMemStorageProvider(),
            skipInstanceCountWarning: true
          })
          client.once("synchronized", () => resolve(client))
          client.on("error", reject)
        })
    ),
    (client) => Effect.sync(() => client.destroy())
  )
})

/** The text of a user's scalars, as a context of Unleash has it. */
const textsOf = (user: User): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(user).flatMap(([name, value]) =>
      typeof value === "object" ? [] : [[name, String(value)]]
    )
  )

const contextOf = ({ targetingKey, ...properties }: Readonly<Record<string, string>>) => ({
  properties,
  ...(targetingKey === undefined ? {} : { userId: targetingKey })
})

const create = Effect.fnUntraced(function* (made: ReadonlyArray<NewFeatureFlag>) {
  const flags = yield* FeatureFlags
  const segments = yield* FlagSegments
  for (const [segmentKey, condition] of Object.entries(segmentsOf())) {
    yield* segments.create({ segmentKey, condition })
  }
  for (const flag of made) yield* flags.create(flag)
  const evaluations = yield* FlagEvaluations
  return yield* evaluations.newest("live")
})

const german: FlagRule = { ruleId: "r", condition: { segment: "german" }, serve: { variant: "on" } }

const PayloadJson = Schema.fromJsonString(Schema.Json)
const valueOf = (payload: { readonly value: string } | undefined): Schema.Json | undefined =>
  payload === undefined ? undefined : Schema.decodeSync(PayloadJson)(payload.value)

layer(layerServer, { excludeTestServices: true })("Unleash's SDK", (it) => {
  it.effect(
    `evaluates what it can express as the platform does, for numeric, empty and missing text, seed ${seed}`,
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("un-server")
        const made = flagsOf(seed, flagsCount).map((flag) => ({ ...flag, hashing: "unleash" as const }))
        const evaluator = yield* create(made).pipe(provide(tenantId))
        const client = yield* sdk(yield* keyOf(tenantId))
        const { features } = FlagExports.unleash(evaluator)
        let served = 0
        let evaluated = 0
        const users = [...usersOf(seed + 1, usersCount), ...oddUsersOf(seed + 2, usersCount)]
        for (const user of users) {
          const texts = textsOf(user)
          const context = contextOf(texts)
          for (const [flagKey, feature] of features) {
            const ours = evaluator.evaluate(flagKey, texts)
            const theirs = client.getVariant(flagKey, context)
            evaluated++
            if (ours.ruleId !== undefined) served++
            const found = [theirs.enabled ? theirs.name : undefined, valueOf(theirs.payload)]
            const wanted = [ours.variant, ours.value]
            // Compared as text first: deep comparisons of all of them take longer than what is compared.
            if (JSON.stringify(found) !== JSON.stringify(wanted)) {
              assert.deepStrictEqual(found, wanted, JSON.stringify({ seed, feature, texts }))
            }
          }
        }
        assert.isAtLeast(features.size, flagsCount / 10)
        assert.isAtLeast(served / evaluated, 0.2)
        client.destroy()
      }).pipe(Effect.scoped)
  )

  it.effect("knows of boolean flags whether they are on, and of prerequisites, as the platform does", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("un-boolean")
      const hashing = "unleash" as const
      const needs = [{ flag: "base", variants: ["on"] }]
      const evaluator = yield* create([
        flagOf("base", { rules: [german] }, { hashing }),
        flagOf("rollout", { rules: [{ ...german, percentage: 37.5 }] }, { hashing }),
        flagOf(
          "needs",
          { prerequisites: needs, offVariant: "off", otherwise: { variant: "on" } },
          { hashing }
        ),
        flagOf("trailing", { rules: [german, { ruleId: "off", serve: { variant: "off" } }] }, { hashing }),
        flagOf("off", { isEnabled: false, offVariant: "off" }, { hashing }),
        flagOf("on", { isEnabled: false, offVariant: "on" }, { hashing }),
        flagOf(
          "size",
          {
            otherwise: {
              weights: [
                { variant: "s", weight: 33.3 },
                { variant: "l", weight: 66.7 }
              ]
            }
          },
          {
            hashing,
            kind: "number",
            variants: [
              { name: "s", value: 1 },
              { name: "l", value: 5.5 }
            ]
          }
        )
      ]).pipe(provide(tenantId))
      const { refused } = FlagExports.unleash(evaluator)
      assert.deepStrictEqual(Array.from(refused), [])
      const client = yield* sdk(yield* keyOf(tenantId))
      for (const user of usersOf(seed, 300)) {
        const texts = textsOf(user)
        const context = contextOf(texts)
        for (const flagKey of ["base", "rollout", "needs", "trailing", "off", "on"]) {
          assert.strictEqual(
            client.isEnabled(flagKey, context),
            evaluator.evaluate(flagKey, texts).value,
            flagKey
          )
        }
        assert.strictEqual(client.getVariant("size", context).name, evaluator.evaluate("size", texts).variant)
      }
      client.destroy()
    }).pipe(Effect.scoped)
  )

  it.effect("is refused flags that it would evaluate otherwise, each with its reason", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("un-refused")
      const hashing = "unleash" as const
      const condition = (part: FlagRule["condition"]): ReadonlyArray<FlagRule> => [
        { ruleId: "r", ...(part === undefined ? {} : { condition: part }), serve: { variant: "on" } }
      ]
      const evaluator = yield* create([
        flagOf("network", {
          rules: condition({ attribute: "ip", operator: "network", values: ["10.0.0.0/8"] })
        }),
        flagOf("number", { rules: condition({ attribute: "age", operator: "in", values: [30] }) }),
        flagOf("space", { rules: condition({ attribute: "plan", operator: "in", values: [" gold"] }) }),
        flagOf("hashing", { rules: [{ ruleId: "r", percentage: 5, serve: { variant: "on" } }] }),
        flagOf("code", { otherwise: null, rules: [german] }, { hashing }),
        flagOf(
          "before",
          { rules: [{ ...german, serve: { variant: "off" } }], otherwise: { variant: "on" } },
          { hashing }
        )
      ]).pipe(provide(tenantId))
      const key = yield* keyOf(tenantId)
      const answer = yield* HttpClient.execute(
        HttpClientRequest.get("/unleash/api/client/features").pipe(
          HttpClientRequest.setHeader("authorization", key)
        )
      )
      const body: unknown = yield* answer.json
      const refused = {
        before: ["Unleash cannot turn a boolean flag off before a rule that turns it on"],
        code: ["Unleash has no value of the code for a boolean flag that is on for some"],
        hashing: ['rule "r": Unleash has no hashing gb_v2: a flag for its SDKs has the hashing unleash'],
        network: ['rule "r": Unleash has no operator network'],
        number: ['rule "r": Unleash\'s contexts have text only'],
        space: ['rule "r": Unleash trims values and drops empty ones']
      }
      assert.deepStrictEqual(Object.fromEntries(FlagExports.unleash(evaluator).refused), refused)
      assert.deepPropertyVal(body, "refused", refused)
      const again = yield* HttpClient.execute(
        HttpClientRequest.get("/unleash/api/client/features").pipe(
          HttpClientRequest.setHeaders({ authorization: key, "if-none-match": answer.headers["etag"] ?? "" })
        )
      )
      assert.strictEqual(again.status, 304)
    })
  )

  it.effect("reports its evaluations, which are counted by day", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("un-metrics")
      yield* create([flagOf("used", {}, { hashing: "unleash" }), flagOf("unused", {})]).pipe(
        provide(tenantId)
      )
      const client = yield* sdk(yield* keyOf(tenantId))
      for (let index = 0; index < 7; index++) client.isEnabled("used", { userId: `${index}` })
      yield* Effect.promise(() => client.flushMetrics())
      const registered = yield* post(
        "/unleash/api/client/register",
        {
          appName: "shop",
          instanceId: "1",
          sdkVersion: "unleash-node-sdk:6.12.1",
          strategies: [],
          started: "",
          interval: 10
        },
        { authorization: yield* keyOf(tenantId) }
      )
      assert.strictEqual(registered.status, 202)
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        SELECT feature.flag_key, used.environment, used.uses::integer AS uses
          FROM hm_platform_flag_usage AS used
          JOIN hm_platform_feature AS feature USING (tenant_id, feature_id)
         WHERE used.tenant_id = ${tenantId}
      `
      assert.deepStrictEqual(Array.from(rows), [{ flag_key: "used", environment: "live", uses: 7 }])
      client.destroy()
    }).pipe(Effect.scoped)
  )

  it.effect("may report names that no flag can have: they are left out, and the others are counted", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("un-names")
      yield* create([flagOf("sold", {}, { hashing: "unleash" })]).pipe(provide(tenantId))
      const reported = yield* post(
        "/unleash/api/client/metrics",
        {
          bucket: {
            toggles: {
              "a\u0000b": { yes: 1, no: 0 },
              "": { yes: 1, no: 0 },
              ["x".repeat(201)]: { yes: 1, no: 0 },
              sold: { yes: 4, no: 5 }
            }
          }
        },
        { authorization: yield* keyOf(tenantId) }
      )
      assert.strictEqual(reported.status, 202)
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        SELECT uses::integer AS uses
          FROM hm_platform_flag_usage
         WHERE tenant_id = ${tenantId}
      `
      assert.deepStrictEqual(Array.from(rows), [{ uses: 9 }])
    })
  )

  it.effect("of browsers has everything evaluated, and a client key never receives rules", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("un-browser")
      yield* create([
        flagOf("alps", { rules: [german] }),
        flagOf("office", {
          rules: [
            {
              ruleId: "r",
              condition: { attribute: "remoteAddress", operator: "network", values: ["198.51.100.0/24"] },
              serve: { variant: "on" }
            }
          ]
        })
      ]).pipe(provide(tenantId))
      const clientKey = yield* keyOf(tenantId, { kind: "client" })
      const url = `${yield* baseUrl}/unleash/api/frontend`
      const client = new UnleashClient({
        url,
        clientKey,
        appName: "web",
        refreshInterval: 0,
        disableMetrics: true
      })
      yield* Effect.promise(() => client.updateContext({ userId: "u-1", properties: { country: "AT" } }))
      yield* Effect.promise(() => client.start())
      assert.deepStrictEqual([client.isEnabled("alps"), client.isEnabled("office")], [true, false])
      yield* Effect.promise(() =>
        client.updateContext({ userId: "u-1", remoteAddress: "198.51.100.9", properties: { country: "US" } })
      )
      assert.deepStrictEqual([client.isEnabled("alps"), client.isEnabled("office")], [false, true])
      client.stop()
      const rules = yield* HttpClient.execute(
        HttpClientRequest.get("/unleash/api/client/features").pipe(
          HttpClientRequest.setHeader("authorization", clientKey)
        )
      )
      assert.strictEqual(rules.status, 403)
      const posted = yield* post(
        "/unleash/api/frontend",
        { context: { properties: { country: "AT" } } },
        { authorization: clientKey }
      )
      assert.include(posted.text, '"alps"')
      for (const secret of ["198.51.100", '"CH"', "strategies"]) assert.notInclude(posted.text, secret)
    })
  )
})
