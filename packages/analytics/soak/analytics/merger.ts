/** A process that merges without end, to be killed in the midst of it. Its database and tenants come by the environment. */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Chance from "@hypermarket/soak/Chance"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

const limitMax = 2_000

const program = Effect.gen(function* () {
  const summaries = yield* OrderSummaries
  const tenants = (yield* Config.String("HM_SOAK_TENANTS")).split(",").map((id) => TenantId.make(id))
  const chance = Chance.make(yield* Config.Int("HM_SOAK_SEED"))
  const round = Effect.forEach(
    tenants,
    (id) => summaries.merge(chance.between(1, limitMax)).pipe(provide(id), Effect.ignore),
    { discard: true }
  )
  yield* Effect.repeat(round, Schedule.spaced("5 millis"))
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layerConfig))),
    // The server was killed while it was connected to: the next attempt finds it, or the one after.
    Effect.retry(Schedule.spaced("50 millis"))
  )
)
