import { GrowthBook } from "@growthbook/growthbook"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { NewExperiment } from "@hypermarket/experiments/Experiment"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as GrowthbookProtocol from "@hypermarket/platform/GrowthbookProtocol"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Queue, Stream } from "effect"
import { HttpClient, HttpServer } from "effect/http"

const TestServer = ApiServer.layer(
  GrowthbookProtocol.layer.pipe(
    Layer.provide(Domain.contracts([PlatformDomain.domain, ExperimentsDomain.domain])),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, KeyCredentials.layer]),
  Layer.provideMerge(Layer.mergeAll(PlatformDomain.layer, ExperimentsDomain.layer)),
  Layer.provideMerge(Wakeup.layerSend),
  Layer.provideMerge(
    TestDatabase.layer(
      CoreDomain.migrations,
      PlatformDomain.domain.migrations,
      ExperimentsDomain.domain.migrations
    )
  ),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const tenantId = TenantId.make("gb-experiments")

const makeKey = Effect.gen(function* () {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  const { id } = yield* Tenant
  yield* accounts
    .create({ tenantId: id, name: id })
    .pipe(Effect.provideService(AllTenants, { actor: "test" }))
  const issued = yield* keys.create({ name: "test", scopes: ["flags:read"] }, "operator")
  return issued.secret ?? ""
})

const running = Effect.fnUntraced(function* (more: Partial<NewExperiment> & { readonly key: string }) {
  const experiments = yield* Experiments
  const draft = yield* experiments.create({
    scheme: "gb_v2",
    variants: [
      { key: "plain", weight: 3_333 },
      { key: "never", weight: 0 },
      { key: "grid", weight: 6_667 }
    ],
    plan: { unitsPlanned: 900 },
    ...more
  })
  return yield* experiments.start(draft.experimentId, draft.version)
})

const units = Array.from({ length: 600 }, (_, index) => ({
  id: `shopper-${index}`,
  country: index % 3 === 0 ? "PT" : "NO"
}))

layer(TestServer, { excludeTestServices: true })("Experiments in GrowthBook's SDK", (it) => {
  it.effect(
    "a running experiment has in the SDK the variant that it has here, and what it shows is recorded",
    () =>
      Effect.gen(function* () {
        const experiments = yield* Experiments
        const exposures = yield* ExperimentUnits
        const looks = yield* ExperimentLooks
        const experiment = yield* running({ key: "layout" })
        yield* running({
          key: "partly",
          coverage: 29_000,
          targeting: { attribute: "country", operator: "in", values: ["PT"] }
        })
        yield* running({ key: "other-hash", scheme: "murmur3" })
        const paused = yield* running({ key: "paused" })
        yield* experiments.pause(paused.experimentId, paused.version)

        const key = yield* makeKey
        const { address } = yield* HttpServer.HttpServer
        const apiHost = `http://127.0.0.1:${"port" in address ? address.port : 0}/growthbook`
        const shown: Array<{ readonly experiment: string; readonly unit: string; readonly variant: string }> =
          []
        const client = yield* Effect.acquireRelease(
          Effect.sync(
            () =>
              new GrowthBook({
                apiHost,
                clientKey: key,
                trackingCallback: (tracked, result) => {
                  shown.push({
                    experiment: tracked.key,
                    unit: String(result.hashValue),
                    variant: result.key
                  })
                }
              })
          ),
          (self) => Effect.sync(() => self.destroy({ destroyAllStreams: true }))
        )
        assert.isTrue((yield* Effect.promise(() => client.init({ timeout: 10_000 }))).success)
        const seen = new Map<string, number>()
        for (const unit of units) {
          yield* Effect.promise(() => client.setAttributes(unit))
          const ours = yield* experiments.assign({
            environment: "live",
            unitKind: "customer",
            unit: unit.id,
            attributes: { country: unit.country }
          })
          for (const name of ["layout", "partly", "paused", "other-hash"]) {
            const theirs = client.evalFeature(name).value
            const expected =
              name === "other-hash" ? null : ours.find((one) => one.experiment === name)?.variant
            assert.strictEqual(theirs ?? undefined, expected ?? undefined, `${name} ${unit.id}`)
            if (theirs !== null) seen.set(`${name}/${theirs}`, (seen.get(`${name}/${theirs}`) ?? 0) + 1)
          }
        }
        assert.sameMembers(Array.from(seen.keys()), [
          "layout/plain",
          "layout/grid",
          "partly/plain",
          "partly/grid"
        ])
        for (let from = 0; from < shown.length; from += 500) {
          yield* exposures.expose(shown.slice(from, from + 500))
        }
        const look = yield* looks.look(experiment.experimentId)
        assert.strictEqual(
          look.units.reduce((sum, arm) => sum + arm.units, 0),
          units.length
        )
        assert.isFalse(look.sampleRatio.mismatch)

        const body = yield* Effect.flatMap(
          HttpClient.get(`/growthbook/api/features/${key}`),
          (answer) => answer.json
        )
        assert.deepPropertyVal(body, "refused", {
          "other-hash": ["GrowthBook has no hashing murmur3: an experiment for its SDKs has the scheme gb_v2"]
        })
      }).pipe(provide(tenantId))
  )

  it.effect("the stream follows an experiment that starts, changes its weights and stops", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const { status, stream } = yield* HttpClient.get(`/growthbook/sub/${yield* makeKey}`)
      assert.strictEqual(status, 200)
      const payloads = yield* Queue.unbounded<string>()
      yield* stream.pipe(
        Stream.decodeText,
        Stream.splitLines,
        Stream.filter((line) => line.startsWith("data: ")),
        Stream.runForEach((line) => Queue.offer(payloads, line)),
        Effect.forkScoped
      )
      /** Waits for the payload; one that never comes hangs the test. */
      const told = (isExpected: (payload: string) => boolean) =>
        Effect.repeat(Queue.take(payloads), { until: isExpected })
      yield* told((payload) => !payload.includes("streamed"))
      const { experimentId, version } = yield* running({ key: "streamed" })
      yield* told((payload) => payload.includes('"streamed"') && payload.includes("[0.3333,1]"))
      const changed = yield* experiments.change(experimentId, version, {
        variants: [
          { key: "plain", weight: 1_234 },
          { key: "grid", weight: 8_766 }
        ]
      })
      yield* told((payload) => payload.includes("[0.1234,1]"))
      yield* experiments.stop(experimentId, changed.version)
      yield* told((payload) => !payload.includes("streamed"))
    }).pipe(provide(TenantId.make("gb-stream")), Effect.scoped)
  )

  it.effect("the revision of features grows with every change of an experiment", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const source = yield* FeatureSource
      const before = yield* source.revision
      const experiment = yield* running({ key: "revised" })
      const started = yield* source.revision
      yield* experiments.stop(experiment.experimentId, experiment.version)
      const stopped = yield* source.revision
      assert.isTrue(before < started && started < stopped)
    }).pipe(provide(TenantId.make("gb-revision")), Effect.provide(ExperimentsDomain.domain.contracts))
  )
})
