import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Issues } from "@hypermarket/observability/Issues"
import { Effect } from "effect"
import {
  beginHour,
  capture,
  envelopeOf,
  eventOf,
  issuesOf,
  layerServer,
  newEventId,
  post,
  projectOf
} from "./errorServer.ts"

layer(layerServer, { excludeTestServices: true })("An issue that is muted until it escalates", (it) => {
  it.effect("counts each event once, when the events of a batch are of issues that are merged into it", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const as = provide(TenantId.make("acme"))
      yield* beginHour
      const project = yield* projectOf("acme")
      const faults = ["pay", "refund", "ship"]
      const failing = (fault = "") => eventOf({ functions: [fault] })
      for (const fault of faults) yield* capture("acme", project, failing(fault))
      const [target, ...others] = yield* issuesOf("acme")
      assert.lengthOf(others, 2)
      if (target === undefined) return assert.fail("there is no issue")
      const sources = others.map(({ issueId }) => issueId)
      yield* issues.merge(target.issueId, sources, "one cause").pipe(as)
      yield* issues.mute(target.issueId, { escalating: true }).pipe(as)
      for (let n = 0; n < 4; n++) yield* capture("acme", project, failing(faults[n % 3]))
      // Eight, nine and ten of the hour, in one batch. An escalation needs more than ten.
      const batch = faults.map((fault) => [{ type: "event" }, failing(fault)] as const)
      const { status } = yield* post(project, envelopeOf({ event_id: newEventId() }, ...batch), {
        tenant: "acme"
      })
      assert.strictEqual(status, 200)
      assert.strictEqual((yield* issues.get(target.issueId).pipe(as)).status, "muted")
      yield* capture("acme", project, failing("pay"))
      assert.strictEqual((yield* issues.get(target.issueId).pipe(as)).status, "unresolved")
    })
  )
})
