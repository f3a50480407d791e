import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import type { Issue, NewMute } from "@hypermarket/observability/Issue"
import { Issues } from "@hypermarket/observability/Issues"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { DateTime, Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { capture, eventOf, issuesOf, layerServer, projectOf, Published } from "./errorServer.ts"

let tenants = 0

/** A new tenant with one issue. `again` sends another event of it and returns the issue. */
const withIssue = Effect.fnUntraced(function* (event: Parameters<typeof eventOf>[0]["event"] = {}) {
  const tenant = `issue${++tenants}`
  const project = yield* projectOf(tenant)
  const published = yield* Published
  const send = (fields: Parameters<typeof eventOf>[0]["event"] = {}) =>
    capture(tenant, project, eventOf({ event: fields }))
  yield* send(event)
  const only = Effect.flatMap(issuesOf(tenant), ([issue]) =>
    issue === undefined ? Effect.die(new Error("there is no issue")) : Effect.succeed(issue)
  )
  const { issueId } = yield* only
  return {
    tenant,
    project,
    issueId,
    as: provide(TenantId.make(tenant)),
    again: (fields: Parameters<typeof eventOf>[0]["event"] = {}) => Effect.andThen(send(fields), only),
    /** The alerts that were published for this tenant, by the last word of its type. */
    alerts: () =>
      published.list
        .filter(({ tenantId }) => tenantId === tenant)
        .map(({ type }) => type.replace("com.hypermarket.observability.issue.", "").replace(".v1", ""))
  }
})

const muted = Effect.fnUntraced(function* (mute: NewMute) {
  const issues = yield* Issues
  const shop = yield* withIssue()
  const issue: Issue = yield* issues.mute(shop.issueId, mute).pipe(shop.as)
  return { ...shop, issue }
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Issues", (it) => {
  it.effect("a new issue is published once, with any number of events", () =>
    Effect.gen(function* () {
      const shop = yield* withIssue()
      yield* Effect.all(
        Array.from({ length: 20 }, () => shop.again()),
        { concurrency: 10 }
      )
      const issue = yield* shop.again()
      assert.strictEqual(issue.eventCount, 22)
      assert.deepStrictEqual(shop.alerts(), ["created"])
    })
  )

  it.effect("resolved now, it regresses with the next event, once", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const shop = yield* withIssue()
      yield* issues.resolve(shop.issueId, { in: "now" }).pipe(shop.as)
      const issue = yield* shop.again()
      assert.strictEqual(issue.status, "unresolved")
      assert.isNotNull(issue.regressedAt)
      yield* shop.again()
      assert.deepStrictEqual(shop.alerts(), ["created", "regressed"])
    })
  )

  it.effect("resolved now, an event from before does not reopen it", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const shop = yield* withIssue()
      yield* issues.resolve(shop.issueId, { in: "now" }).pipe(shop.as)
      const now = yield* Now.now
      const issue = yield* shop.again({ timestamp: now.getTime() / 1000 - 3_600 })
      assert.deepInclude(issue, { status: "resolved", eventCount: 2 })
    })
  )

  it.effect(
    "resolved in the next release, old clients go on for weeks: no regression, with four-part versions and deleted releases too",
    () =>
      Effect.gen(function* () {
        const issues = yield* Issues
        const projects = yield* ErrorProjects
        const shop = yield* withIssue({ release: "shop@2.9.1.9" })
        yield* shop.again({ release: "shop@2.9.1.10" })
        const resolved = yield* issues.resolve(shop.issueId, { in: "next release" }).pipe(shop.as)
        assert.deepInclude(resolved.resolution, { in: "next release", release: "shop@2.9.1.10" })
        yield* projects.removeRelease(shop.project.projectId, "shop@2.9.1.10").pipe(shop.as)
        const test = yield* Now.TestNow
        yield* test.adjust("21 days")
        for (const release of ["shop@2.9.1.9", "shop@2.9.1.10", "shop@2.9.1.2"]) {
          assert.strictEqual((yield* shop.again({ release })).status, "resolved", release)
        }
        assert.strictEqual((yield* shop.again({ release: "shop@2.9.1.11" })).status, "unresolved")
        assert.deepStrictEqual(shop.alerts(), ["created", "regressed"])
        yield* test.adjust("-21 days")
      })
  )

  it.effect("releases that are commits are ordered by their first event, also when one was removed", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const projects = yield* ErrorProjects
      const shop = yield* withIssue({ release: "9b3d001" })
      yield* shop.again({ release: "4f2a9c1" })
      yield* issues.resolve(shop.issueId, { in: "next release" }).pipe(shop.as)
      for (const release of ["4f2a9c1", "9b3d001"]) {
        yield* projects.removeRelease(shop.project.projectId, release).pipe(shop.as)
        assert.strictEqual((yield* shop.again({ release })).status, "resolved")
      }
      assert.strictEqual((yield* shop.again({ release: "0000001" })).status, "unresolved")
    })
  )

  it.effect("resolved in a release, older ones count, it and later ones and none regress", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      for (const [release, status] of [
        ["shop@1.9.0", "resolved"],
        ["shop@2.0.0-rc.1", "resolved"],
        ["shop@2.0.0", "unresolved"],
        ["shop@2.1.0", "unresolved"],
        [undefined, "unresolved"]
      ] as const) {
        const shop = yield* withIssue({ release: "shop@1.0.0" })
        yield* issues.resolve(shop.issueId, { in: "release", release: "shop@2.0.0" }).pipe(shop.as)
        const issue = yield* shop.again(release === undefined ? {} : { release })
        assert.strictEqual(issue.status, status, release)
      }
    })
  )

  it.effect("each way out of a mute alerts once: more events", () =>
    Effect.gen(function* () {
      const shop = yield* muted({ events: 3 })
      assert.strictEqual((yield* shop.again()).status, "muted")
      assert.strictEqual((yield* shop.again()).mute?.eventsLeft, 1)
      assert.strictEqual((yield* shop.again()).status, "unresolved")
      yield* shop.again()
      assert.deepStrictEqual(shop.alerts(), ["created", "unmuted"])
    })
  )

  it.effect("each way out of a mute alerts once: a sliding window", () =>
    Effect.gen(function* () {
      const test = yield* Now.TestNow
      const shop = yield* muted({ window: { events: 3, minutes: 10 } })
      for (let minute = 0; minute < 4; minute++) {
        assert.strictEqual((yield* shop.again()).status, "muted")
        yield* test.adjust("6 minutes")
      }
      assert.strictEqual((yield* shop.again()).status, "muted")
      assert.strictEqual((yield* shop.again()).status, "unresolved")
      assert.deepStrictEqual(shop.alerts(), ["created", "unmuted"])
    })
  )

  it.effect("each way out of a mute alerts once: it escalates", () =>
    Effect.gen(function* () {
      const shop = yield* muted({ escalating: true })
      // The event that made the issue is of this hour too.
      for (let event = 2; event <= 10; event++) assert.strictEqual((yield* shop.again()).status, "muted")
      assert.strictEqual((yield* shop.again()).status, "unresolved")
      yield* shop.again()
      assert.deepStrictEqual(shop.alerts(), ["created", "unmuted"])
    })
  )

  it.effect("each way out of a mute alerts once: a time, by the job and by an event", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const test = yield* Now.TestNow
      const at = yield* Now.now
      const until = DateTime.makeUnsafe(at.getTime() + 3_600_000)
      const byJob = yield* withIssue()
      const byEvent = yield* withIssue()
      yield* issues.mute(byJob.issueId, { until }).pipe(byJob.as)
      yield* issues.mute(byEvent.issueId, { until }).pipe(byEvent.as)
      const { jobs } = yield* ObservabilityDomain.domain.start
      const job = jobs.find(({ name }) => name === "observability.mute.end")
      if (job === undefined) return yield* Effect.die(new Error("there is no job"))
      const run = job.run(null).pipe(provide(TenantId.make("none")))
      yield* run
      assert.strictEqual((yield* byEvent.again()).status, "muted")
      yield* test.adjust("2 hours")
      assert.strictEqual((yield* byEvent.again()).status, "unresolved")
      yield* Effect.all([run, run], { concurrency: 2 })
      assert.strictEqual((yield* issues.get(byJob.issueId).pipe(byJob.as)).status, "unresolved")
      assert.deepStrictEqual(byJob.alerts(), ["created", "unmuted"])
      assert.deepStrictEqual(byEvent.alerts(), ["created", "unmuted"])
      yield* test.adjust("-2 hours")
    }).pipe(Effect.provideService(AllTenants, { actor: "test" }))
  )

  it.effect(
    "a rule of the project groups from then on, also of an SDK with a fingerprint, and what came before stays",
    () =>
      Effect.gen(function* () {
        const projects = yield* ErrorProjects
        const shop = yield* withIssue()
        const changed = yield* projects
          .change(shop.project.projectId, shop.project.version, {
            groupingRules: [
              { match: [{ field: "type", pattern: "Socket*" }], fingerprint: ["network", "{{ message }}"] }
            ]
          })
          .pipe(shop.as)
        assert.lengthOf(changed.groupingRules, 1)
        const send = (
          functions: ReadonlyArray<string>,
          value: string,
          fingerprint: ReadonlyArray<string> = []
        ) =>
          capture(
            shop.tenant,
            shop.project,
            eventOf({
              type: "SocketError",
              value,
              functions,
              event: fingerprint.length === 0 ? {} : { fingerprint }
            })
          )
        // Another process knows the rule when it has read the project again.
        let issues = 0
        yield* Effect.gen(function* () {
          // Letters, as digits in a function's name are no part of its group.
          const name = Array.from(String(issues++), (digit) => "abcdefghij"[Number(digit)]).join("")
          yield* send(["connect", `dial${name}`], "cannot reach port 4711")
          return (yield* issuesOf(shop.tenant)).filter(({ title }) => title.includes("port 4711"))
        }).pipe(Effect.repeat({ until: (found) => found.some(({ eventCount }) => eventCount > 1) }))
        const before = (yield* issuesOf(shop.tenant)).length
        yield* send(["close"], "cannot reach port 17", ["another"])
        yield* send(["flush"], "cannot reach port 99")
        assert.lengthOf(yield* issuesOf(shop.tenant), before)
        yield* send(["flush"], "the line is closed")
        assert.lengthOf(yield* issuesOf(shop.tenant), before + 1)
      })
  )

  it.effect("rules that this release cannot read stop neither their project's errors nor another's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenant = `issue${++tenants}`
      const ahead = yield* projectOf(tenant, "ahead")
      const other = yield* projectOf(tenant, "other")
      yield* sql`
        UPDATE hm_error_project
           SET grouping_rules = ${JSON.stringify([{ match: [{ field: "module", pattern: "*" }], fingerprint: ["x"] }])}::text::jsonb,
               version = version + 1
         WHERE tenant_id = ${tenant} AND project_id = ${ahead.projectId}
      `
      yield* capture(tenant, ahead, eventOf({ type: "AheadError" }))
      yield* capture(tenant, other, eventOf({ type: "OtherError" }))
      assert.sameMembers(
        (yield* issuesOf(tenant)).map(({ title }) => title.split(":")[0]),
        ["AheadError", "OtherError"]
      )
    })
  )

  it.effect("a crash between hash and issue, or a deleted issue, splits nothing", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const sql = yield* SqlClient.SqlClient
      const shop = yield* withIssue()
      yield* sql`
        DELETE FROM hm_error_issue
         WHERE tenant_id = ${shop.tenant}
      `
      const remade = yield* shop.again()
      assert.notStrictEqual(remade.issueId, shop.issueId)
      assert.strictEqual((yield* shop.again()).eventCount, 2)
      yield* issues.remove(remade.issueId, remade.version).pipe(shop.as)
      const [again] = yield* Effect.all([shop.again(), shop.again()], { concurrency: 2 })
      assert.lengthOf(yield* issuesOf(shop.tenant), 1)
      const page = yield* issues.events(again.issueId, {}).pipe(shop.as)
      assert.lengthOf(page.items, 2)
    })
  )

  it.effect("a merge shows events and users of both, and undoing it returns each issue its own", () =>
    Effect.gen(function* () {
      const issues = yield* Issues
      const tenant = "merges"
      const as = provide(TenantId.make(tenant))
      const project = yield* projectOf(tenant)
      const send = (name: string, user: string) =>
        capture(tenant, project, eventOf({ functions: [name], value: name, event: { user: { id: user } } }))
      yield* send("a", "1")
      yield* send("a", "2")
      yield* send("b", "2")
      yield* send("c", "3")
      const byTitle = Object.fromEntries(
        (yield* issuesOf(tenant)).map((issue) => [issue.title.replace("TypeError: ", ""), issue.issueId])
      )
      const { a, b, c } = byTitle
      if (a === undefined || b === undefined || c === undefined) return yield* Effect.die(new Error("issues"))
      yield* issues.merge(b, [c], "same cause").pipe(as)
      const merged = yield* issues.merge(a, [b], "same cause").pipe(as)
      assert.deepInclude(merged, { eventCount: 4, userCount: 3 })
      yield* send("b", "4")
      yield* send("c", "1")
      assert.deepInclude(yield* issues.get(a).pipe(as), { eventCount: 6, userCount: 4 })
      assert.lengthOf(yield* issuesOf(tenant), 1)
      assert.lengthOf((yield* issues.events(a, {}).pipe(as)).items, 6)
      assert.deepInclude(yield* issues.unmerge(a, b, "other cause").pipe(as), { eventCount: 2, userCount: 2 })
      assert.deepInclude(yield* issues.get(a).pipe(as), { eventCount: 4, userCount: 3 })
      assert.deepInclude(yield* issues.unmerge(a, c, "other cause").pipe(as), { eventCount: 2, userCount: 2 })
      assert.deepInclude(yield* issues.get(a).pipe(as), { eventCount: 2, userCount: 2 })
      const { merges } = yield* issues.summary(a).pipe(as)
      assert.deepStrictEqual(
        merges.map(({ reason, undoneReason }) => [reason, undoneReason]),
        [
          ["same cause", "other cause"],
          ["same cause", "other cause"]
        ]
      )
    })
  )
})
