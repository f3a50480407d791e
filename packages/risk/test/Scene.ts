/** Signals and rules for tests. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import type { NewRuleSet } from "@hypermarket/risk/RiskRuleSet"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schedule } from "effect"

/** A key of the tests alone. */
export const secretsKeys = `test:${Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7 + 3)).toString("base64")}`

export const config = ConfigProvider.layer(
  ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: secretsKeys, HM_RISK_HOT_EVENTS: "20" })
)

/** Services on a database of their own, with a `Now` that tests move. */
export const layer = RiskDomain.layer.pipe(
  Layer.provide(config),
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, RiskDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

/** A busy machine decides later than a checkout would wait. */
export const patient = { deadlineMillis: 10_000, fallback: "review" } as const

export const payment = (subject: string, more: Partial<NewSignal> = {}): NewSignal => ({
  kind: "payment",
  subject,
  entities: { card: "card-1", account: "a1" },
  ...more
})

export const tenant = (name: string) => provide(TenantId.make(name))

/** Creates a version, makes it live, and waits until this process decides by it. */
export const goLive = Effect.fnUntraced(function* (ruleSet: NewRuleSet, shadow: ReadonlyArray<number> = []) {
  const rules = yield* RiskRules
  const { version } = yield* rules.create(ruleSet)
  const state = yield* rules.state
  yield* rules.choose(state.version, { live: version, shadow })
  yield* rules.current.pipe(
    Effect.flatMap(({ live }) => (live?.version === version ? Effect.void : Effect.fail("not yet"))),
    Effect.retry(Schedule.spaced("20 millis"))
  )
  return version
})

/** Returns numbers in [0, 1) that a seed repeats. */
export const random = (seed: number): (() => number) => OrderMix.random(seed).next
