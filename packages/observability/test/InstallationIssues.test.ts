import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as ErrorReports from "@hypermarket/observability/ErrorReports"
import { InstallationIssues } from "@hypermarket/observability/InstallationIssues"
import * as TestApi from "@hypermarket/testing/TestApi"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { capture, eventOf, issuesOf, layerServer, projectOf } from "./errorServer.ts"

const path = "/v1/system/issues"
const key = "_system"
const asSystem = Effect.provideService(AllTenants, { actor: "test" })

const Items = Schema.Struct({ items: Schema.Array(Schema.Record(Schema.String, Schema.Json)) })
const itemsAt = Effect.fnUntraced(function* (at: string) {
  const { body } = yield* TestApi.send("GET", at, { key })
  const { items } = yield* Schema.decodeUnknownEffect(Items)(body)
  return items
})

/** Reports an error of the installation as the API and the worker do, and returns the id of its issue. */
const reported = Effect.fnUntraced(function* (message: string) {
  const reports = Context.get(
    yield* Layer.build(ErrorReports.layerSystem({ release: "3.1.0" })),
    ErrorReports.ErrorReports
  )
  const error = new RangeError(message)
  // Errors of one place are one issue.
  error.stack = `RangeError: ${message}\n    at ${message.replaceAll(" ", "")} (/app/src/lease.js:1:1)`
  reports.capture(error, { extra: { plan: "planned for ann@example.com" } })
  const found = yield* itemsAt(`${path}?query=${encodeURIComponent(message)}`).pipe(
    Effect.repeat({ until: (items) => items.length > 0, schedule: Schedule.spaced("50 millis") })
  )
  return String(found[0]?.["issueId"])
}, Effect.scoped)

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Issues of the installation", (it) => {
  it.effect("are read, muted, resolved and reopened with the tenant-less credential", () =>
    Effect.gen(function* () {
      const issueId = yield* reported("Too many leases")
      const at = `${path}/${issueId}`
      const seen = yield* TestApi.send("GET", at, { key })
      assert.strictEqual(seen.status, 200, seen.text)
      assert.deepInclude(seen.body, { status: "unresolved", eventCount: 1, lastRelease: "3.1.0" })
      const summary = yield* TestApi.send("GET", `${at}/summary`, { key })
      assert.strictEqual(summary.status, 200, summary.text)
      const [event] = yield* itemsAt(`${at}/events`)
      const shown = yield* TestApi.send("GET", `/v1/system/error-events/${String(event?.["eventId"])}`, {
        key
      })
      assert.strictEqual(shown.status, 200, shown.text)
      assert.include(shown.text, "Too many leases")
      // The credential reads no data of persons.
      assert.notInclude(shown.text, "ann@example.com")
      for (const [action, body, status] of [
        ["mute", { events: 3 }, "muted"],
        ["resolve", { in: "next release" }, "resolved"],
        ["reopen", undefined, "unresolved"]
      ] as const) {
        const changed = yield* TestApi.send("POST", `${at}/${action}`, {
          key,
          ...(body === undefined ? {} : { body })
        })
        assert.strictEqual(changed.status, 200, changed.text)
        assert.deepInclude(changed.body, { issueId, status })
      }
    })
  )

  it.effect("are refused with 403 to each key of a tenant, and unchanged", () =>
    Effect.gen(function* () {
      const issueId = yield* reported("A connection was lost")
      const [event] = yield* itemsAt(`${path}/${issueId}/events`)
      for (const [method, at, body] of [
        ["GET", path, undefined],
        ["GET", `${path}/${issueId}`, undefined],
        ["GET", `${path}/${issueId}/summary`, undefined],
        ["GET", `${path}/${issueId}/events`, undefined],
        ["GET", `/v1/system/error-events/${String(event?.["eventId"])}`, undefined],
        ["POST", `${path}/${issueId}/resolve`, { in: "now" }],
        ["POST", `${path}/${issueId}/reopen`, undefined],
        ["POST", `${path}/${issueId}/mute`, {}]
      ] as const) {
        for (const other of ["acme", "acme_client_1"]) {
          const refused = yield* TestApi.send(method, at, {
            key: other,
            ...(body === undefined ? {} : { body })
          })
          assert.strictEqual(refused.status, 403, `${method} ${at} with ${other}: ${refused.text}`)
          assert.notInclude(refused.text, "connection was lost")
        }
      }
      const { body } = yield* TestApi.send("GET", `${path}/${issueId}`, { key })
      assert.deepInclude(body, { status: "unresolved", version: 1 })
    })
  )

  it.effect("never have a tenant's issue or event among them, in a list or by its id", () =>
    Effect.gen(function* () {
      yield* reported("A job is stuck")
      // The number of a tenant's first project is that of the installation's.
      const project = yield* projectOf("tenant9")
      assert.strictEqual(project.projectId, 1)
      const event = eventOf({ value: "Basket of tenant9 is empty" })
      yield* capture("tenant9", project, event)
      const [issue] = yield* issuesOf("tenant9")
      const issueId = String(issue?.issueId)
      const titles = (yield* itemsAt(`${path}?limit=200`)).map((item) => String(item["title"]))
      assert.include(titles, "RangeError: A job is stuck")
      assert.notInclude(titles.join(), "tenant9")
      assert.isEmpty(yield* itemsAt(`${path}?query=tenant9`))
      const eventId = String(event["event_id"]).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
      for (const [method, at, body] of [
        ["GET", `${path}/${issueId}`, undefined],
        ["GET", `${path}/${issueId}/summary`, undefined],
        ["GET", `${path}/${issueId}/events`, undefined],
        ["GET", `/v1/system/error-events/${eventId}`, undefined],
        ["POST", `${path}/${issueId}/resolve`, { in: "now" }],
        ["POST", `${path}/${issueId}/reopen`, undefined],
        ["POST", `${path}/${issueId}/mute`, {}]
      ] as const) {
        const answer = yield* TestApi.send(method, at, { key, ...(body === undefined ? {} : { body }) })
        assert.strictEqual(answer.status, 404, `${method} ${at}: ${answer.text}`)
      }
      const [after] = yield* issuesOf("tenant9")
      assert.strictEqual(after?.status, "unresolved")
      assert.strictEqual(after?.version, issue?.version)
    })
  )

  it.effect("are changed in the log of the installation", () =>
    Effect.gen(function* () {
      const issueId = yield* reported("A seal is broken")
      const entries: Array<readonly [owner: string, action: string, id: string]> = []
      const service = yield* InstallationIssues
      const issue = yield* service.list({ query: "A seal is broken" }).pipe(
        Effect.map(({ items }) => items[0]),
        asSystem
      )
      if (issue === undefined) return yield* Effect.die(new Error("the issue is listed"))
      yield* service.resolve(issue.issueId, { in: "release", release: "3.2.0" }).pipe(
        Effect.provideService(Audit.Audit, {
          record: ({ action, target }) =>
            Effect.map(Tenant, ({ id }) => void entries.push([id, action, target.id]))
        }),
        asSystem
      )
      assert.deepStrictEqual(entries, [["_system", "issue.resolved", issueId]])
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        SELECT tenant_id, status
          FROM hm_error_issue
         WHERE issue_id = ${issueId}::uuid
      `
      assert.deepStrictEqual(rows, [{ tenant_id: "_system", status: "resolved" }])
    })
  )
})
