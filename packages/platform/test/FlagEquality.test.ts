import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagEvaluations } from "@hypermarket/platform/FlagEvaluations"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import { Effect, Schema } from "effect"
import { keyOf, layerServer, post, settled } from "./flagServer.ts"
import { expectedOf, flagsOf, operators, segmentsOf, usersOf } from "./generatedFlags.ts"

const seed = Number(process.env["HM_TEST_SEED"] ?? 11)
const isFull = process.env["HM_TEST_FLAGS"] === "full"
const flagsCount = isFull ? 1_000 : 80
const usersCount = isFull ? 1_000 : 60

const tenantId = TenantId.make("generated")

const Answer = Schema.fromJsonString(
  Schema.Struct({
    flags: Schema.Array(
      Schema.Struct({
        key: Schema.String,
        value: Schema.optionalKey(Schema.Json),
        variant: Schema.optionalKey(Schema.String),
        metadata: Schema.Struct({ reason: Schema.String, ruleId: Schema.optionalKey(Schema.String) })
      })
    )
  })
)
const decode = Schema.decodeUnknownEffect(Answer, { onExcessProperty: "ignore" })

layer(layerServer, { excludeTestServices: true })("Flags", (it) => {
  it.effect(
    `are the same over OFREP, in process and read from their definition, ${flagsCount} flags x ${usersCount} users, seed ${seed}`,
    () =>
      Effect.gen(function* () {
        const flags = yield* FeatureFlags
        const segments = yield* FlagSegments
        const evaluations = yield* FlagEvaluations
        const generated = flagsOf(seed, flagsCount)
        const byKey = new Map(generated.map((flag) => [flag.flagKey, flag]))
        for (const [segmentKey, condition] of Object.entries(segmentsOf())) {
          yield* segments.create({ segmentKey, condition })
        }
        for (const flag of generated) yield* flags.create(flag)
        const evaluator = yield* settled("live", BigInt(flagsCount))
        const authorization = `Bearer ${yield* keyOf(tenantId)}`

        let notAtDefault = 0
        const served = new Map<string, Set<string>>()
        yield* Effect.forEach(
          usersOf(seed + 1, usersCount),
          Effect.fnUntraced(function* (user) {
            const answer = yield* post("/ofrep/v1/evaluate/flags", { context: user }, { authorization })
            const body = yield* decode(answer.text)
            assert.lengthOf(body.flags, flagsCount)
            for (const { key, metadata, value, variant } of body.flags) {
              const inProcess = evaluator.evaluate(key, user)
              const expected = expectedOf(byKey, key, user)
              const answered = [value, variant, metadata.reason, metadata.ruleId]
              const evaluated = [inProcess.value, inProcess.variant, inProcess.reason, inProcess.ruleId]
              // Compared as text first: deep comparisons of all of them take longer than what is compared.
              if (
                JSON.stringify(answered) !== JSON.stringify(evaluated) ||
                variant !== expected.variant ||
                metadata.reason !== expected.reason
              ) {
                const about = JSON.stringify({ seed, flag: byKey.get(key), user })
                assert.deepStrictEqual(answered, evaluated, about)
                assert.deepStrictEqual(expected, { variant, reason: metadata.reason }, about)
              }
              if (metadata.reason === "TARGETING_MATCH" || metadata.reason === "SPLIT") notAtDefault++
              const reasons = served.get(key) ?? new Set()
              served.set(key, reasons.add(`${metadata.reason} ${variant}`))
            }
          }),
          { concurrency: 4, discard: true }
        )
        assert.isAtLeast(notAtDefault / (flagsCount * usersCount), 0.3)
        const varied = Array.from(served.values()).filter((reasons) => reasons.size > 1)
        assert.isAtLeast(varied.length / flagsCount, 0.8)
        for (const operator of operators) {
          const text = `"operator":"${operator}"`
          const using = generated.filter((flag) => JSON.stringify(flag.environments).includes(text))
          assert.isAtLeast(using.length, flagsCount / 10, operator)
        }
        assert.strictEqual((yield* evaluations.evaluator("live")).revision, BigInt(flagsCount))
      }).pipe(provide(tenantId))
  )
})
