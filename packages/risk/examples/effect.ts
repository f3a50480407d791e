import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Risk } from "@hypermarket/risk/Risk"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { starterRules } from "@hypermarket/risk/StarterRules"
import { Console, Effect, Layer } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, RiskDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = RiskDomain.layer.pipe(Layer.provide(Wakeup.layerSend), Layer.provide(Database.layerConfig))

const cardTesting = Effect.gen(function* () {
  const rules = yield* RiskRules
  const risk = yield* Risk

  const { version } = yield* rules.create(starterRules)
  const state = yield* rules.state
  yield* rules.choose(state.version, { live: version })

  const entities = { card: "fingerprint-1", account: "customer-7", ip: "203.0.113.9" }
  for (const subject of ["try-1", "try-2", "try-3", "try-4"]) {
    yield* risk.decide({ kind: "payment", subject, entities }, { deadlineMillis: 250, fallback: "review" })
    yield* risk.complete("payment", subject, { result: "declined" }).pipe(Effect.ignore)
  }
  const answer = yield* risk.decide({ kind: "payment", subject: "try-5", entities })
  yield* Console.log(answer.outcome, answer.reasons)
}).pipe(provide(TenantId.make("acme")), Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, cardTesting))
