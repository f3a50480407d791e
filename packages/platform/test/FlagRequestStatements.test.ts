import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagChangeRequests } from "@hypermarket/platform/FlagChangeRequests"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer, Tracer } from "effect"

const layerAll = PlatformDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

/** Counts the statements of an effect by their text. */
const statementsOf = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return self.pipe(
      Effect.withTracer(tracer),
      Effect.map(() => spans.filter(({ attributes }) => attributes.has("db.query.text")).length)
    )
  })

layer(layerAll, { excludeTestServices: true })("A new change request", (it) => {
  it.effect("reads each environment once, however many steps change it", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* FlagChangeRequests
      const now = yield* Now.now
      const ramp: FlagEnvironment = {
        isEnabled: true,
        rules: [{ ruleId: "some", percentage: 1, serve: { variant: "on" } }],
        otherwise: { variant: "off" }
      }
      const environments = { live: ramp, staging: ramp }
      const propose = Effect.fnUntraced(function* (flagKey: string, count: number) {
        yield* flags.create({ flagKey, kind: "boolean", environments })
        const steps = Array.from({ length: count }, (_, index) => ({
          at: DateTime.fromDateUnsafe(new Date(now.getTime() + (index + 1) * 60_000)),
          does: {
            environment: index % 2 === 0 ? "live" : "staging",
            ruleId: "some",
            percentage: index + 2
          }
        }))
        return yield* statementsOf(requests.create({ flagKey, baseVersion: 1, steps }))
      })
      const short = yield* propose("short", 2)
      assert.isAbove(short, 2)
      assert.strictEqual(yield* propose("long", 40), short)
    }).pipe(provide(TenantId.make("fr-statements")))
  )
})
