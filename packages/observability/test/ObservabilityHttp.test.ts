import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { Issues } from "@hypermarket/observability/Issues"
import { ObservabilityApi } from "@hypermarket/observability/ObservabilityApi"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import {
  capture,
  envelopeOf,
  eventOf,
  issuesOf,
  layerServer,
  newEventId,
  post,
  projectOf
} from "./errorServer.ts"

let seeds = 0

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("ObservabilityHttp", (it) => {
  const seed = Effect.gen(function* () {
    seeds++
    const owner = `owner${seeds}`
    const sql = yield* SqlClient.SqlClient
    // Ids are counted per tenant, and the suite looks for the owner's in what the stranger reads.
    yield* sql`
        INSERT INTO hm_error_project (tenant_id, project_id, slug, name, recorded_at, updated_at)
        VALUES (${owner}, 91827364, 'before', 'before', now(), now())
      `
    const project = yield* projectOf(owner)
    const eventId = newEventId()
    yield* capture(
      owner,
      project,
      eventOf({ functions: ["a"], event: { event_id: eventId, release: "1.0.0" } })
    )
    yield* capture(owner, project, eventOf({ functions: ["b"] }))
    yield* capture(owner, project, eventOf({ functions: ["c"] }))
    const checkIn = { monitor_slug: "close-orders", environment: "live", status: "ok" }
    yield* post(project, envelopeOf({}, [{ type: "check_in" }, checkIn]), { tenant: owner })
    const issues = yield* issuesOf(owner)
    const [first, second, third] = issues.toSorted(
      (a, b) => a.recordedAt.epochMilliseconds - b.recordedAt.epochMilliseconds
    )
    if (first === undefined || second === undefined || third === undefined) {
      return yield* Effect.die(new Error("three issues are expected"))
    }
    const service = yield* Issues
    yield* service.merge(first.issueId, [third.issueId], "The same cause").pipe(provide(TenantId.make(owner)))
    const uuid = `${eventId.slice(0, 8)}-${eventId.slice(8, 12)}-${eventId.slice(12, 16)}-${eventId.slice(16, 20)}-${eventId.slice(20)}`
    return {
      ownerKey: owner,
      strangerKey: `stranger${seeds}`,
      params: {
        projectId: String(project.projectId),
        issueId: first.issueId,
        eventId: uuid,
        environment: "live",
        slug: "close-orders"
      },
      payloads: {
        createProject: { slug: "another" },
        changeProject: { name: "Changed" },
        removeRelease: { release: "1.0.0" },
        resolveIssue: { in: "now" },
        muteIssue: {},
        assignIssue: { assignee: "ann" },
        mergeIssues: { issueIds: [second.issueId], reason: "The same cause" },
        unmergeIssue: { issueId: third.issueId, reason: "Another cause" }
      },
      watched: [
        `/v1/observability/projects/${project.projectId}`,
        `/v1/observability/projects/${project.projectId}/releases`,
        `/v1/observability/issues/${first.issueId}`,
        `/v1/observability/issues/${first.issueId}/events`
      ]
    }
  })

  TenantIsolation.suite(it, ObservabilityApi, seed)

  DoorIsolation.suite(it, {
    domain: ObservabilityDomain,
    seed,
    calls: {
      "monitors.checkIns": ({ params }) => [
        Number(params["projectId"]),
        { slug: params["slug"], environment: params["environment"] },
        {}
      ],
      "monitors.remove": ({ params }) => [
        Number(params["projectId"]),
        { slug: params["slug"], environment: params["environment"] }
      ]
    }
  })

  it.effect("a project is made once per Idempotency-Key, and changed at its version", () =>
    Effect.gen(function* () {
      const sent = { key: "http", body: { slug: "shop" }, headers: { "idempotency-key": "p1" } }
      const made = yield* TestApi.send("POST", "/v1/observability/projects", sent)
      assert.strictEqual(made.status, 201, made.text)
      assert.strictEqual((yield* TestApi.send("POST", "/v1/observability/projects", sent)).status, 201)
      const other = yield* TestApi.send("POST", "/v1/observability/projects", {
        key: "http",
        body: { slug: "shop" }
      })
      assert.strictEqual(other.status, 409)
      const path = `/v1/observability/projects/${String(made.body["projectId"])}`
      const closed = yield* TestApi.send("PATCH", path, {
        key: "http",
        body: { status: "closed" },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(closed.body, { status: "closed", version: 2 })
    })
  )

  it.effect("issues are listed by events, by users, and by a part of the title, a page at a time", () =>
    Effect.gen(function* () {
      const project = yield* projectOf("lists")
      for (const [name, events] of [
        ["a", 1],
        ["b", 3],
        ["c", 2]
      ] as const) {
        for (let index = 0; index < events; index++) {
          const user = { id: `u${name === "b" ? 0 : index}` }
          yield* capture(
            "lists",
            project,
            eventOf({ value: `100% ${name}_x`, functions: [name], event: { user } })
          )
        }
      }
      const titlesOf = Effect.fnUntraced(function* (query: string) {
        const answer = yield* TestApi.send("GET", `/v1/observability/issues?${query}`, { key: "lists" })
        assert.strictEqual(answer.status, 200, answer.text)
        const { items, nextCursor } = JSON.parse(answer.text)
        return {
          titles: items.map(({ title }: { readonly title: string }) => title.replace("TypeError: 100% ", "")),
          nextCursor
        }
      })
      assert.deepStrictEqual((yield* titlesOf("sort=events")).titles, ["b_x", "c_x", "a_x"])
      assert.strictEqual((yield* titlesOf("sort=users")).titles[0], "c_x")
      assert.deepStrictEqual((yield* titlesOf(`query=${encodeURIComponent("% B_")}`)).titles, ["b_x"])
      const first = yield* titlesOf("sort=events&limit=2")
      assert.deepStrictEqual(first.titles, ["b_x", "c_x"])
      const second = yield* titlesOf(`sort=events&limit=2&cursor=${first.nextCursor}`)
      assert.deepStrictEqual(second.titles, ["a_x"])
      const wrong = yield* TestApi.send(
        "GET",
        `/v1/observability/issues?sort=users&cursor=${first.nextCursor}`,
        {
          key: "lists"
        }
      )
      assert.strictEqual(wrong.status, 400)
    })
  )
})
