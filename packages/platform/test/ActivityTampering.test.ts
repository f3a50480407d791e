import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { Effect } from "effect"
import * as Support from "./auditSupport.ts"
import { log, tamperings, tamperedTenant, layerFilled } from "./activityTampering.ts"

const { kept, verdicts } = Support

layer(layerFilled, { excludeTestServices: true })("An activity log that somebody has changed", (it) => {
  for (const [index, { first, statements, title }] of tamperings.entries()) {
    it.effect(`finds and locates ${title}, by the command and by a stranger's script`, () =>
      Effect.gen(function* () {
        const tenant = tamperedTenant(index)
        yield* Effect.gen(function* () {
          const before = yield* kept
          const intact = yield* verdicts(before)
          assert.deepStrictEqual([intact.report.problems, intact.stranger], [[], []])
          assert.deepInclude(intact.report, { checkpoints: 3, rows: 9, late: [] })
          yield* Support.tamper(...statements(tenant))
          const { report, stranger } = yield* verdicts(before)
          const [problem] = report.problems
          assert.deepStrictEqual([problem?.kind, problem?.checkpoint], [...first], problem?.reason)
          assert.match(
            stranger[0] ?? "",
            new RegExp(`^${first[1]}: `),
            "the checkpoint is the first that is named"
          )
        }).pipe(provide(tenant))
      })
    )
  }

  it.effect("names a row that was inserted with a time of the past", () =>
    Effect.gen(function* () {
      const tenant = TenantId.make("inserted")
      const now = yield* Now.TestNow
      yield* Support.fillLogs([tenant])
      yield* now.adjust("3 hours")
      yield* Support.tamper(
        `INSERT INTO ${log} SELECT tenant_id, recorded_at, '019fffff-ffff-7fff-bfff-ffffffffffff', action, actor_type, target_type, actor, actor_salt, actor_hash, detail, detail_salt, detail_hash, leaf_hash FROM ${log} WHERE tenant_id = 'inserted' LIMIT 1`
      )
      const activity = yield* ActivityLog
      const report = yield* activity.verify({})
      assert.deepInclude(report.problems[0], {
        kind: "row",
        id: "019fffff-ffff-7fff-bfff-ffffffffffff",
        checkpoint: null
      })
    }).pipe(provide(TenantId.make("inserted")))
  )

  it.effect(
    "puts a row that commits late under the next checkpoint, and lists it as late without an alarm",
    () =>
      Effect.gen(function* () {
        const tenant = TenantId.make("late")
        const activity = yield* ActivityLog
        const now = yield* Now.TestNow
        yield* Support.changeItem("early", 1, 2)
        yield* Support.seal
        yield* now.adjust("-10 minutes")
        yield* Support.changeItem("slow", 1, 2)
        yield* now.adjust("10 minutes")
        yield* Support.seal
        const report = yield* activity.verify({})
        assert.deepInclude(report, { tenantId: tenant, rows: 2, checkpoints: 2, problems: [] })
        assert.deepStrictEqual(
          report.late.map(({ checkpoint }) => checkpoint),
          [2]
        )
      }).pipe(provide(TenantId.make("late")))
  )
})
