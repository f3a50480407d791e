/** A database that hangs, that is shut down, or that holds a lock, while decisions are asked for over HTTP and by the Promise door. */
import { assert, describe, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { connect } from "@hypermarket/core/Promises"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { RiskApi } from "@hypermarket/risk/RiskApi"
import { RiskAnswer } from "@hypermarket/risk/RiskDecision"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as RiskHttp from "@hypermarket/risk/RiskHttp"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"

interface Asked {
  readonly subject: string
  readonly key?: string
  readonly deadlineMillis: number
}

const signalOf = ({ key, subject }: Asked) => ({
  kind: "payment" as const,
  subject,
  entities: { card: "c-9", device: "d-9" },
  ...(key === undefined ? {} : { key })
})

type Answer = Pick<RiskAnswer, "decisionId">

const poll = Schedule.spaced("50 millis")

/** A caller that cannot wait. */
const hasty = 40
const patient = 10_000
const fallback = "challenge"

/** Both doors answer in plain JSON. */
const decodeAnswer = Schema.decodeUnknownEffect(RiskAnswer)

const overHttp = Effect.fnUntraced(function* (asked: Asked) {
  const { body, status, text } = yield* TestApi.send("POST", "/v1/risk/decisions", {
    body: { ...signalOf(asked), deadlineMillis: asked.deadlineMillis, fallback }
  })
  assert.strictEqual(status, 200, text)
  return yield* decodeAnswer(body)
})

/** The door reads its settings from the environment. */
const secretsKeys = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env["HM_SECRETS_KEYS"]
    process.env["HM_SECRETS_KEYS"] = Scene.secretsKeys
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env["HM_SECRETS_KEYS"]
      else process.env["HM_SECRETS_KEYS"] = before
    })
)

const door = Effect.fnUntraced(function* (connectionString: string) {
  yield* secretsKeys
  const hm = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ connectionString, domains: [RiskDomain] })),
    (connection) => Effect.promise(() => connection.close())
  )
  const { risk } = hm.tenant("acme")
  return ({ deadlineMillis, ...asked }: Asked) =>
    Effect.promise(() =>
      risk.decide(signalOf({ ...asked, deadlineMillis }), { deadlineMillis, fallback })
    ).pipe(Effect.flatMap(decodeAnswer))
})

/** Starts both doors on a server, for a tenant whose live rule holds each payment. */
const start = Effect.fnUntraced(function* (database: DatabaseOutage.Database) {
  const options = TestDatabase.optionsOf(database.server.url)
  yield* Migrations.run([CoreDomain.migrations, RiskDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const context = yield* Layer.build(
    TestApi.layer(RiskApi, RiskHttp.layer).pipe(
      Layer.provideMerge(RiskDomain.layer),
      Layer.provide(Scene.config),
      Layer.provideMerge(Wakeup.layerSilent),
      Layer.provideMerge(Database.layer({ ...options, poolMax: 8 }, "hm-test-outage"))
    )
  )
  const promised = yield* door(database.server.url)
  yield* Scene.goLive({
    rules: [{ key: "any", expression: "true", reason: "ANY", outcome: "hold" }]
  }).pipe(Scene.tenant("acme"), Effect.provideContext(context))
  const doors = [
    { name: "http", decide: (asked: Asked) => overHttp(asked).pipe(Effect.provideContext(context)) },
    { name: "promise", decide: promised }
  ]
  // Each process reads the rules, and opens its connections.
  for (const { decide, name } of doors) {
    let tries = 0
    yield* Effect.suspend(() => decide({ subject: `${name}-${tries++}`, deadlineMillis: patient })).pipe(
      Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ outcome }) => outcome === "hold" })
    )
  }
  return { doors, sql: Context.get(context, SqlClient) }
})

const isDecided = { until: ({ decisionId }: Answer) => decisionId !== null, schedule: poll }

describe("The caller's fallback is the answer, and the same key has the decision later,", () => {
  for (const [state, outage, name] of [
    ["hangs", DatabaseOutage.frozen, "frozen"],
    ["is shut down", DatabaseOutage.shutDown, "down"]
  ] as const) {
    it.live(`while the database ${state}`, () =>
      Effect.gen(function* () {
        const database = yield* outage
        const { doors } = yield* start(database)
        yield* database.leave
        // The server is back only when all of these have been answered.
        for (const { decide, name: by } of doors) {
          for (const index of [1, 2, 3]) {
            const answer = yield* decide({ subject: `${by}-${name}-${index}`, deadlineMillis: hasty })
            assert.deepInclude(answer, { outcome: fallback, decisionId: null })
            assert.isNotNull(answer.fallback)
          }
        }
        yield* database.comeBack
        for (const { decide, name: by } of doors) {
          const answer = yield* decide({
            subject: `${by}-${name}-2`,
            deadlineMillis: patient
          }).pipe(Effect.repeat(isDecided))
          assert.deepInclude(answer, { outcome: "hold", fallback: null })
        }
      }).pipe(Effect.scoped)
    )
  }

  it.live("while another transaction holds the row of the subject", () =>
    Effect.gen(function* () {
      const { doors, sql } = yield* start(yield* DatabaseOutage.frozen)
      for (const { decide, name } of doors) {
        const subject = `${name}-held`
        yield* decide({ subject, deadlineMillis: patient }).pipe(Effect.repeat(isDecided))
        const letGo = yield* HeldTransaction.hold(
          sql`
              SELECT
                FROM hm_fraud_signal_subject
               WHERE tenant_id = 'acme' AND subject = ${subject}
                 FOR UPDATE
            `,
          Effect.void
        ).pipe(Effect.provideService(SqlClient, sql))
        const again = { subject, key: `${name}-second` }
        assert.deepInclude(yield* decide({ ...again, deadlineMillis: hasty }), {
          outcome: fallback,
          fallback: "deadline",
          decisionId: null
        })
        yield* letGo
        const answer = yield* decide({ ...again, deadlineMillis: patient }).pipe(Effect.repeat(isDecided))
        assert.deepInclude(answer, { outcome: "hold", fallback: null })
        const numbers = yield* sql`
          SELECT number
            FROM hm_risk_decision
           WHERE tenant_id = 'acme' AND subject = ${subject}
           ORDER BY number
        `
        assert.deepStrictEqual(numbers, [{ number: 1 }, { number: 2 }])
      }
    }).pipe(Effect.scoped)
  )
})
