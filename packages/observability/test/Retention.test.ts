import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { ConfigProvider, Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { capture, eventOf, issuesOf, layerServer, newTenant, projectOf } from "./errorServer.ts"

const kept = 3

const sample = Effect.gen(function* () {
  const { jobs } = yield* ObservabilityDomain.domain.start
  const job = jobs.find(({ name }) => name === "observability.event.sample")
  if (job === undefined) return yield* Effect.die(new Error("there is no job"))
  yield* job.run(null).pipe(provide(TenantId.make("none")))
}).pipe(
  Effect.provideService(
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown({ HM_OBSERVABILITY_EVENTS_KEPT_PER_HOUR: String(kept) })
  ),
  Effect.provideService(AllTenants, { actor: "test" }),
  Effect.scoped
)

/** The statuses of the check that compares what was acknowledged with what is stored. */
const checked = Effect.gen(function* () {
  const check = ObservabilityDomain.domain.checks.find(
    ({ name }) => name === "errors that were acknowledged are stored"
  )
  if (check === undefined) return yield* Effect.die(new Error("there is no check"))
  return (yield* check.run).map(({ status }) => status)
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("What is kept", (it) => {
  it.effect("Muted for ever, dropped by limit, sampled: visible per issue and project", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const issues = yield* Issues
      const projects = yield* ErrorProjects
      const sql = yield* SqlClient.SqlClient
      const tenant = newTenant("kept")
      const as = provide(TenantId.make(tenant))
      const project = yield* projectOf(tenant)
      const start = new Date(yield* Now.now)
      yield* clock.set(new Date(start.setUTCHours(start.getUTCHours(), 10, 0, 0)))
      const send = (name: string, release: string, extra: object = {}) =>
        capture(tenant, project, eventOf({ functions: [name], value: name, event: { release, ...extra } }))
      for (let n = 0; n < 7; n++) yield* send("common", "shop@1.0.0")
      yield* send("common", "shop@0.9.0")
      for (let n = 0; n < 5; n++) yield* send("member", "shop@1.0.0")
      yield* send("rare", "shop@1.0.0")
      yield* send("rare", "shop@1.0.0", { extra: { text: "x".repeat(1_100_000) } })
      const idOf = (name: string) =>
        Effect.flatMap(issuesOf(tenant), (found) => {
          const issue = found.find(({ title }) => title.endsWith(name))
          return issue === undefined ? Effect.die(new Error(name)) : Effect.succeed(issue.issueId)
        })
      const common = yield* idOf("common")
      const member = yield* idOf("member")
      const rare = yield* idOf("rare")
      yield* issues.mute(rare, {}).pipe(as)
      yield* issues.merge(common, [member], "same cause").pipe(as)

      // The hour is not over.
      yield* sample
      assert.strictEqual((yield* issues.get(common).pipe(as)).sampledCount, 0)
      yield* clock.adjust("55 minutes")
      yield* Effect.all([sample, sample], { concurrency: 2 })
      yield* sample
      assert.deepInclude(yield* issues.get(common).pipe(as), { eventCount: 13, sampledCount: 6 })
      assert.deepInclude(yield* issues.get(member).pipe(as), { eventCount: 5, sampledCount: 2 })
      const left = (yield* issues.events(common, {}).pipe(as)).items
      assert.deepStrictEqual(
        left.map(({ release, title }) => `${title.split(" ").at(-1)} ${release}`).toSorted(),
        [
          "common shop@0.9.0",
          ...Array.from({ length: kept }, () => "common shop@1.0.0"),
          ...Array.from({ length: kept }, () => "member shop@1.0.0")
        ]
      )
      yield* issues.unmerge(common, member, "other cause").pipe(as)
      assert.deepInclude(yield* issues.get(common).pipe(as), { eventCount: 8, sampledCount: 4 })

      const muted = yield* issues.list({ status: "muted", projectId: project.projectId }).pipe(as)
      assert.deepStrictEqual(
        muted.items.map(({ eventCount, issueId, mute }) => ({ eventCount, issueId, mute })),
        [
          {
            eventCount: 1,
            issueId: rare,
            mute: { until: null, eventsLeft: null, window: null, escalating: false }
          }
        ]
      )
      assert.deepStrictEqual(
        (yield* projects.counts(project.projectId).pipe(as)).map(({ outcome, quantity, reason }) => [
          outcome,
          reason,
          quantity
        ]),
        [
          ["dropped", "too-large", 1],
          ["sampled", "", 6],
          ["stored", "", 14]
        ]
      )

      assert.deepStrictEqual(yield* checked, ["ok"])
      const issue = yield* issues.get(rare).pipe(as)
      yield* issues.remove(rare, issue.version).pipe(as)
      assert.deepStrictEqual(yield* checked, ["ok"])
      assert.deepInclude(
        (yield* projects.counts(project.projectId).pipe(as)).map(({ outcome, quantity }) => ({
          outcome,
          quantity
        })),
        { outcome: "removed", quantity: 1 }
      )
      yield* sql`
        DELETE FROM hm_error_hour
         WHERE tenant_id = ${tenant} AND issue_id = ${member}::uuid
      `
      assert.deepStrictEqual(yield* checked, ["fail"])
    })
  )
})
