/** Executions seen from outside: over HTTP, in timelines, by doctor, and until they are deleted. */
import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { executionId, WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { WorkflowMaintenance } from "@hypermarket/events/WorkflowMaintenance"
import { WorkflowsApi } from "@hypermarket/events/WorkflowsApi"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Live, acme, globex, untilState } from "./executionWorker.ts"

layer(Live, { excludeTestServices: true })("An execution", (it) => {
  it.effect("is deleted with its tasks 30 days after its end, and not before", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const maintenance = yield* WorkflowMaintenance
      const old = TenantId.make("old")
      yield* sql`
        INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, result, recorded_at, updated_at,
                                           finished_at)
        SELECT 'old', 'e' || days, 'order', 1, 'succeeded', 'null', 'null', now(), now(), now() - days * interval '1 day'
          FROM unnest(ARRAY[29, 31]) AS days
      `
      yield* sql`
        INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, recorded_at)
        SELECT 'old', 'e' || days, 'activity', 'a', now()
          FROM unnest(ARRAY[29, 31]) AS days
      `
      yield* Effect.provideService(maintenance.prune, AllTenants, { actor: "test" })
      const executions = yield* WorkflowExecutions
      const { items } = yield* executions.list({}).pipe(provide(old))
      assert.deepStrictEqual(
        items.map((execution) => execution.executionId),
        ["e29"]
      )
      const tasks = yield* sql`
        SELECT 1
          FROM hm_workflow_task
         WHERE tenant_id = 'old'
      `
      assert.lengthOf(tasks, 1)
    })
  )

  it.effect("is in the timeline of its order with its tasks, page by page, and in no other's", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const { timeline } = yield* EventsDomain.domain.start
      assert.isDefined(timeline)
      if (timeline === undefined) return
      yield* executions.start({ name: "order", key: "shown", payload: { key: "shown", orderId: "o-7" } })
      yield* executions.start({ name: "order", key: "hidden", payload: { key: "hidden", orderId: "\u0000" } })
      const id = executionId("order", "shown")
      yield* executions.signal(id, { name: "paid", value: 3 })
      yield* untilState(id, "succeeded")
      const subject = { kind: "order", id: "o-7" } as const
      const whole = yield* timeline({ subject, before: undefined, limit: 10 })
      const shown = whole.map(({ data, kind }) =>
        kind === "workflow.task" && typeof data === "object" && data !== null && "task" in data
          ? data.task
          : kind
      )
      assert.sameMembers(shown, ["workflow.succeeded", "ship", "paid", "reserve", "workflow.started"])
      assert.strictEqual(shown.at(-1), "workflow.started")
      const paged: Array<(typeof whole)[number]> = []
      while (paged.length < whole.length) {
        const last = paged.at(-1)
        const before =
          last === undefined ? undefined : { at: new Date(last.at.epochMilliseconds), itemId: last.itemId }
        const page = yield* timeline({ subject, before, limit: 2 })
        assert.isNotEmpty(page)
        paged.push(...page)
      }
      assert.deepStrictEqual(paged, Array.from(whole))
      const other = yield* timeline({ subject, before: undefined, limit: 10 }).pipe(provide(globex))
      assert.deepStrictEqual(Array.from(other), [])
    }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
  )

  it.effect("that has no worker is named by doctor, and in the alerts of its tenant, within a minute", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const time = yield* Now.TestNow
      yield* executions.start({ name: "orphan", version: 7, key: "k", payload: null })
      const messages = Effect.gen(function* () {
        const checks = EventsDomain.domain.checks.filter((check) => check.name === "workflows")
        const findings = yield* Effect.forEach(checks, (check) => check.run)
        return findings.flat().map((finding) => finding.message)
      })
      const orphan = "1 executions of orphan, version 7, have waited for a worker for more than 30 s"
      const started = yield* EventsDomain.domain.start
      const alerts = Effect.map(started.alerts ?? Effect.succeed([]), (list) =>
        list.filter(({ kind }) => kind === "workflow.waiting").map(({ subject, value }) => [subject, value])
      )
      assert.notInclude(yield* messages, orphan)
      assert.notDeepInclude(yield* alerts, ["orphan 7", 1])
      yield* time.adjust("50 seconds")
      assert.include(yield* messages, orphan)
      assert.deepInclude(yield* alerts, ["orphan 7", 1])
      assert.notDeepInclude(yield* alerts.pipe(provide(globex)), ["orphan 7", 1])
      yield* time.adjust("-50 seconds")
    }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
  )

  it.effect("is inspected over HTTP with every task", () =>
    Effect.gen(function* () {
      const started = yield* TestApi.send("POST", "/v1/events/workflows", {
        body: { name: "order", key: "http", payload: { key: "http" } }
      })
      assert.strictEqual(started.status, 201)
      const id = executionId("order", "http")
      const path = `/v1/events/workflows/${id}`
      yield* untilState(id, "suspended").pipe(provide(acme))
      const signalled = yield* TestApi.send("POST", `${path}/signals`, { body: { name: "paid", value: 9 } })
      assert.strictEqual(signalled.status, 204)
      yield* untilState(id, "succeeded").pipe(provide(acme))
      const { body } = yield* TestApi.send("GET", path)
      assert.strictEqual(body.result, 9)
      // Positions of more than one digit are in the order of the numbers.
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE hm_workflow_task ALTER COLUMN position SET GENERATED BY DEFAULT`
      const moved = yield* sql`
        UPDATE hm_workflow_task
           SET position = position + 10 - (SELECT max(position) FROM hm_workflow_task WHERE execution_id = ${id})
         WHERE execution_id = ${id}
        RETURNING position::text AS text
      `
      assert.includeMembers(
        moved.map(({ text }) => text),
        ["9", "10"]
      )
      const tasks = yield* TestApi.send("GET", `${path}/tasks`)
      assert.deepStrictEqual(
        Array.isArray(tasks.body.items)
          ? tasks.body.items.map((task) => [task.kind, task.name, task.outcome, task.result])
          : [],
        [
          ["activity", "reserve", "succeeded", null],
          ["signal", "paid", "succeeded", 9],
          ["activity", "ship", "succeeded", null]
        ]
      )
      const late = yield* TestApi.send("POST", `${path}/signals`, { body: { name: "paid" } })
      assert.strictEqual(late.status, 409)
    })
  )

  it.effect("pages through a list without a gap, newest first", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      yield* Effect.forEach(Array.from({ length: 5 }), (_, index) =>
        executions.start({ name: "no such workflow", key: `page ${index}`, payload: null })
      )
      const seen: Array<string> = []
      let cursor: string | null = null
      do {
        const page: {
          readonly items: ReadonlyArray<{ readonly executionId: string }>
          readonly nextCursor: string | null
        } = yield* executions.list({ limit: 2, state: "ready", ...(cursor === null ? {} : { cursor }) })
        seen.push(...page.items.map((execution) => execution.executionId))
        cursor = page.nextCursor
      } while (cursor !== null)
      assert.deepStrictEqual(
        seen,
        [4, 3, 2, 1, 0].map((index) => executionId("no such workflow", `page ${index}`))
      )
    }).pipe(provide(TenantId.make("pages")))
  )

  it.effect("is listed by the time of its start", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const executions = yield* WorkflowExecutions
      const now = yield* Now.now
      for (const key of ["first", "second", "third"]) {
        yield* executions.start({ name: "no such workflow", key, payload: null })
        yield* time.adjust("1 hour")
      }
      yield* time.adjust("-3 hours")
      const hour = (count: number) => new Date(now.getTime() + count * 3_600_000 - 1_000).toISOString()
      const listed = (query: string) =>
        Effect.map(TestApi.send("GET", `/v1/events/workflows?${query}`, { key: "times" }), ({ body }) =>
          Array.isArray(body.items) ? body.items.map(({ executionId: id }) => id) : body
        )
      const [first, second, third] = ["first", "second", "third"].map((key) =>
        executionId("no such workflow", key)
      )
      assert.deepStrictEqual(yield* listed(`since=${hour(1)}`), [third, second])
      assert.deepStrictEqual(yield* listed(`until=${hour(1)}`), [first])
      assert.deepStrictEqual(yield* listed(`since=${hour(1)}&until=${hour(2)}&state=ready`), [second])
      const { status } = yield* TestApi.send("GET", "/v1/events/workflows?since=yesterday", { key: "times" })
      assert.strictEqual(status, 400)
    }).pipe(provide(TenantId.make("times")))
  )

  const seed = Effect.gen(function* () {
    const executions = yield* WorkflowExecutions
    const { executionId: id } = yield* executions.start({
      name: "isolated",
      key: "k",
      payload: { secret: true }
    })
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, outcome, result, recorded_at, finished_at)
      VALUES ('owner', ${id}, 'activity', 'weigh', 'succeeded', '{"value":410}', now(), now())
          ON CONFLICT DO NOTHING
    `
    const path = `/v1/events/workflows/${id}`
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { executionId: id },
      payloads: {
        startWorkflow: { name: "isolated", key: "another", payload: null },
        signalWorkflow: { name: "paid" },
        retryWorkflow: { activity: "weigh" }
      },
      watched: [path, `${path}/tasks`]
    }
  }).pipe(provide(TenantId.make("owner")))

  TenantIsolation.suite(it, WorkflowsApi, seed)

  DoorIsolation.suite(it, { domain: EventsDomain, services: ["workflows"], seed })
})
