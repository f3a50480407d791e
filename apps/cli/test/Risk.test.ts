import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrationSets } from "@hypermarket/installation/domains"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { RiskScorer } from "@hypermarket/risk/RiskScorer"
import { AllTenants } from "@hypermarket/core/Tenant"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Layer, Schedule, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { readFileSync } from "node:fs"
import * as Path from "node:path"
import * as Cli from "./Cli.ts"

const dayMillis = 86_400_000

/** An API of the test's database, and the settings of a client of it. */
const api = Effect.fnUntraced(function* (name: string) {
  const tenantId = TenantId.make(name)
  const { options, url } = yield* TestDatabase.TestDatabase
  const issued = yield* Effect.gen(function* () {
    yield* Effect.flatMap(TenantAccounts, (accounts) => accounts.create({ tenantId, name }))
    const keys = yield* ApiKeys
    return yield* keys
      .create({ name: "test", scopes: ["risk:read", "risk:write"] }, "operator")
      .pipe(provide(tenantId))
  }).pipe(
    Effect.provideService(AllTenants, { actor: "test" }),
    Effect.provide(
      PlatformDomain.layer.pipe(
        Layer.provide(Wakeup.layerSilent),
        Layer.provide(Database.layer(options, "hm-test-risk"))
      )
    )
  )
  const port = yield* ServiceProcess.freePort
  const apiUrl = `http://127.0.0.1:${port}`
  const service = yield* Cli.start(["api"], { DATABASE_URL: url, HM_API_PORT: String(port) })
  yield* ServiceProcess.answers(service, `${apiUrl}/health/ready`)
  return { url, env: { HM_API_URL: apiUrl, HM_API_KEY: issued.secret ?? "" } }
})

/** A bad payment has many declined ones before it, and every tenth of the others is bad as well. */
const decisions = (count: number, days: number) => `
  INSERT INTO hm_risk_decision (
           tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version, verdict, frozen, shadow,
           latency_micros, recorded_at
         )
  SELECT 'acme', gen_random_uuid(), gen_random_uuid(), at, 'payment', 'p' || n, 1, 'allow', 0, '[]', false, NULL, '{}',
         jsonb_build_object('amount', (n % 977)::text, 'features', jsonb_build_object('count(card,1h,payment,declined)', (n % 7)::text)), '[]', 0, at
    FROM (
         SELECT n, now() - interval '1 day' * ${days} * (${count} - n) / ${count} AS at
           FROM generate_series(1, ${count}) AS n
         ) AS numbered;
  INSERT INTO hm_risk_label (tenant_id, kind, subject, label, available_at, recorded_at)
  SELECT 'acme', 'payment', 'p' || n, 'chargeback', now() - interval '1 day' * ${days} * (${count} - n) / ${count} + interval '5 days', now()
    FROM generate_series(1, ${count}) AS n
   WHERE n % 7 = 6 OR n % 10 = 0
`

/** Decisions whose signals were never kept. Those with a remainder of 6, and every tenth, turn out bad five days later. */
const frozenDecisions = (count: number, days: number) => `
  INSERT INTO hm_risk_decision (
           tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version, verdict, frozen, shadow,
           latency_micros, recorded_at
         )
  SELECT 'globex', gen_random_uuid(), gen_random_uuid(), at, 'payment', 'p' || n, 1, 'allow', 0, '[]', false, NULL, '{}',
         jsonb_build_object(
           'kind', 'payment', 'subject', 'p' || n, 'source', 'api', 'result', 'attempted', 'at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'amount', n::text, 'currency', 'EUR', 'entities', '[]'::jsonb, 'attributes', '{}'::jsonb, 'snoozed', '[]'::jsonb, 'listed', NULL,
           'features', jsonb_build_object('count(card,1h,payment,declined)', (n % 7)::text)
         ), '[]', 0, at
    FROM (
         SELECT n, now() - interval '1 day' * ${days} * (${count} - n) / ${count} AS at
           FROM generate_series(1, ${count}) AS n
         ) AS numbered;
  INSERT INTO hm_risk_label (tenant_id, kind, subject, label, available_at, recorded_at)
  SELECT 'globex', 'payment', 'p' || n, 'chargeback', now() + interval '5 days', now()
    FROM generate_series(1, ${count}) AS n
   WHERE n % 7 = 6 OR n % 10 = 0
`

layer(TestDatabase.layerDatabase(...migrationSets), { excludeTestServices: true })("risk", (it) => {
  it.effect("trains a scorer from decisions and labels, and reports it on later ones", () =>
    Effect.gen(function* () {
      const { env, url } = yield* api("acme")
      const file = Path.join(yield* Cli.folder, "scorer.json")
      const now = yield* Clock.currentTimeMillis
      const instant = (days: number) => new Date(now - days * dayMillis).toISOString()
      const train = (...more: ReadonlyArray<string>) =>
        Cli.run(
          [
            "risk",
            "train",
            "--from",
            instant(120),
            "--to",
            instant(0),
            "--gap-days",
            "10",
            "--output",
            file,
            ...more
          ],
          env
        )
      const empty = yield* train()
      assert.strictEqual(empty.code, 1)
      assert.include(empty.stderr, "0 samples")

      for (const statement of decisions(3_000, 100).split(";")) yield* Cli.query(url, statement)
      const report = yield* train()
      assert.strictEqual(report.code, 0, report.stderr)
      assert.match(report.stdout, /^trained on \d+ decisions of \d{4}-\d{2}-\d{2} to /m)
      assert.match(report.stdout, /^tested on \d+ decisions of /m)
      assert.match(
        report.stdout,
        /count\(card,1h,payment,declined\) +[\d.]+ +SCORE_COUNT_CARD_1H_PAYMENT_DECLINED/
      )
      assert.match(report.stderr, /Reading days of decisions 120\/120/)
      const scorer = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(RiskScorer))(
        readFileSync(file, "utf8")
      )
      assert.strictEqual(scorer.inputs[0]?.name, "amount")
      const json = yield* train("--json")
      const figures = yield* Schema.decodeUnknownEffect(
        Schema.fromJsonString(
          Schema.Struct({
            quality: Schema.Struct({ auc: Schema.Finite }),
            trained: Schema.Struct({ samples: Schema.Int, to: Schema.Finite }),
            tested: Schema.Struct({ samples: Schema.Int, from: Schema.Finite, to: Schema.Finite })
          })
        )
      )(json.stdout)
      assert.isAbove(figures.quality.auc, 0.8)
      assert.isAtLeast(figures.tested.from - figures.trained.to, 10 * dayMillis)
      assert.isAtMost(figures.tested.to, now - 9 * dayMillis)
    }).pipe(Effect.scoped)
  )

  it.effect("tries a version on decisions of the past, and says which of them it leaves out", () =>
    Effect.gen(function* () {
      const { env, url } = yield* api("globex")
      for (const statement of frozenDecisions(40, 2).split(";")) yield* Cli.query(url, statement)
      // The first request of a process may pass its deadline on a busy machine, and is told to come again.
      const client = HttpClient.retryTransient(yield* HttpClient.HttpClient, {
        schedule: Schedule.spaced("1 second")
      })
      const create = (expression: string) =>
        HttpClientRequest.post(`${env.HM_API_URL}/v1/risk/rule-sets`).pipe(
          HttpClientRequest.bearerToken(env.HM_API_KEY),
          HttpClientRequest.setHeader("idempotency-key", expression.slice(0, 5)),
          HttpClientRequest.bodyJsonUnsafe({
            rules: [{ key: "tried", expression, reason: "TRIED", outcome: "review" }]
          }),
          client.execute,
          Effect.flatMap((answer) =>
            answer.status === 201 ? Effect.void : Effect.flatMap(answer.text, (text) => Effect.die(text))
          )
        )
      yield* create('count("card", "1h", "payment", "declined") >= 5')
      yield* create('sum("account", "7d") > 3')
      const now = yield* Clock.currentTimeMillis
      const instant = (days: number) => new Date(now + days * dayMillis).toISOString()
      const backtest = (version: number, ...more: ReadonlyArray<string>) =>
        Cli.run(
          [
            "risk",
            "backtest",
            "--rules",
            String(version),
            "--from",
            instant(-3),
            "--to",
            instant(1),
            ...more
          ],
          env
        )
      const known = yield* backtest(1, "--as-of", instant(10))
      assert.strictEqual(known.code, 0, known.stderr)
      assert.include(known.stderr, "Trying decisions 4/4")
      const lines = known.stdout.split("\n")
      assert.deepStrictEqual(lines.slice(0, 2), [
        "Version 1 over 40 decisions of 4 days: 11 differ",
        "11 alerts, 2.8 per day"
      ])
      assert.strictEqual(lines[2], "precision 100.0 %, recall 75.0 % (8 labelled, 8 bad)")
      assert.include(known.stdout, "saved 140 minor units of EUR")
      assert.notInclude(known.stdout, "left out")
      // Labels that are known later only are in no figure of today.
      assert.include((yield* backtest(1)).stdout, "precision no labels, recall no labels (0 labelled, 0 bad)")
      const past = yield* backtest(2)
      assert.include(past.stdout, "Version 2 over 0 decisions of 4 days: 0 differ")
      assert.include(
        past.stdout,
        "40 decisions are left out: the signals of a feature's window are no longer kept"
      )
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici))
  )
})
