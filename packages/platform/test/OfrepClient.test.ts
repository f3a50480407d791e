import { assert, describe, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagEvaluations } from "@hypermarket/platform/FlagEvaluations"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import { OFREPProvider } from "@openfeature/ofrep-provider"
import { ErrorCode, OpenFeature } from "@openfeature/server-sdk"
import { Effect } from "effect"
import * as Sql from "effect/sql/SqlClient"
import { baseUrl, keyOf, layerServer, post, settled } from "./flagServer.ts"
import { acme, path, decodeSingle, secretAddress, on, seeded, bearer } from "./ofrepFixture.ts"

layer(layerServer, { excludeTestServices: true })("OFREP's client", (it) => {
  it.effect("answers @openfeature/ofrep-provider in @openfeature/server-sdk, unmodified", () =>
    Effect.gen(function* () {
      const key = yield* seeded(acme)
      const url = yield* baseUrl
      yield* Effect.promise(() =>
        OpenFeature.setProviderAndWait(
          new OFREPProvider({ baseUrl: url, headers: [["Authorization", `Bearer ${key}`]] })
        )
      )
      const client = OpenFeature.getClient()
      const details = yield* Effect.promise(() =>
        client.getBooleanDetails("static", false, { targetingKey: "1" })
      )
      assert.deepInclude(details, { value: true, variant: "on", reason: "STATIC" })
      const board = yield* Effect.promise(() =>
        client.getBooleanDetails("rules", false, { targetingKey: "1", email: secretAddress })
      )
      assert.deepInclude(board, { value: true, reason: "TARGETING_MATCH" })
      const colour = yield* Effect.promise(() =>
        client.getStringDetails("colour", "none", { targetingKey: "1" })
      )
      assert.deepInclude(colour, { reason: "SPLIT" })
      assert.include(["red", "blue"], colour.value)
      assert.deepInclude(colour.flagMetadata, { owner: "design", revisionLimit: 3 })
      const json = yield* Effect.promise(() => client.getObjectValue("json", {}, { targetingKey: "1" }))
      assert.deepStrictEqual(json, { list: [1, -0.5, 1e21], text: "ä" })
      const missing = yield* Effect.promise(() =>
        client.getBooleanDetails("nowhere", true, { targetingKey: "1" })
      )
      assert.deepInclude(missing, { value: true, errorCode: ErrorCode.FLAG_NOT_FOUND })
      const keyless = yield* Effect.promise(() => client.getBooleanDetails("keyed", true, {}))
      assert.deepInclude(keyless, { value: true, errorCode: ErrorCode.TARGETING_KEY_MISSING })
      yield* Effect.promise(() => OpenFeature.close())
    })
  )

  it.effect("errs at a stored rule that names an unknown segment or operator, and at its negation", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("newer-release")
      const key = yield* keyOf(tenantId)
      const flags = yield* FeatureFlags
      const segments = yield* FlagSegments
      const sql = yield* Sql.SqlClient
      yield* segments
        .create({ segmentKey: "vip", condition: { attribute: "plan", operator: "in", values: ["gold"] } })
        .pipe(provide(tenantId))
      for (const [flagKey, condition] of [
        ["plain", { segment: "vip" }],
        ["negated", { not: { segment: "vip" } }]
      ] as const) {
        yield* flags
          .create({
            flagKey,
            kind: "boolean",
            environments: {
              live: {
                ...on,
                rules: [{ ruleId: "r", condition, serve: { variant: "on" } }],
                otherwise: { variant: "off" }
              }
            }
          })
          .pipe(provide(tenantId))
      }
      const ask = Effect.forEach(["plain", "negated"], (flag) =>
        Effect.flatMap(post(`${path}/${flag}`, { context: { plan: "gold" } }, bearer(key)), ({ text }) =>
          decodeSingle(text)
        )
      )
      yield* settled("live", 2n).pipe(provide(tenantId))
      assert.deepStrictEqual(
        (yield* ask).map((answer) => answer["value"]),
        [true, false]
      )
      // A newer release wrote an operator that this one does not know.
      yield* sql`
        UPDATE hm_platform_flag_segment
           SET condition = '{"attribute":"plan","operator":"resembles","value":"gold"}'
         WHERE tenant_id = ${tenantId}
      `
      yield* sql`
        UPDATE hm_platform_flag_revision
           SET revision = revision + 1
         WHERE tenant_id = ${tenantId}
      `
      yield* settled("live", 3n).pipe(provide(tenantId))
      for (const answer of yield* ask) {
        assert.deepInclude(answer, { errorCode: "PARSE_ERROR" })
        assert.include(String(answer["errorDetails"]), "vip")
      }
    })
  )

  describe("an evaluator", () => {
    it.effect("follows a change of a segment in every environment", () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("follows")
        const flags = yield* FeatureFlags
        const segments = yield* FlagSegments
        const evaluations = yield* FlagEvaluations
        yield* Effect.gen(function* () {
          yield* segments.create({ segmentKey: "s", condition: { any: [] } })
          const state = {
            ...on,
            rules: [{ ruleId: "r", condition: { segment: "s" }, serve: { variant: "on" } }],
            otherwise: { variant: "off" }
          }
          yield* flags.create({ flagKey: "f", kind: "boolean", environments: { live: state, test: state } })
          yield* segments.change("s", 1, { condition: { all: [] } })
          for (const environment of ["live", "test"]) {
            yield* settled(environment, 2n)
            assert.deepInclude(yield* evaluations.evaluate(environment, "f", {}), {
              value: true,
              ruleId: "r"
            })
          }
        }).pipe(provide(tenantId))
      })
    )
  })
})
