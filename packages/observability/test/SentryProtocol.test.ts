import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import * as SentryCliProtocol from "@hypermarket/observability/SentryCliProtocol"
import * as SentryProtocol from "@hypermarket/observability/SentryProtocol"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect, Layer } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import {
  capture,
  envelopeOf,
  eventOf,
  issuesOf,
  layerServer,
  newEventId,
  newTenant,
  post,
  projectOf
} from "./errorServer.ts"

const countsOf = Effect.fnUntraced(function* (tenant: string, projectId: number) {
  const projects = yield* ErrorProjects
  const counts = yield* projects.counts(projectId).pipe(provide(TenantId.make(tenant)))
  return Object.fromEntries(
    counts.map(({ category, outcome, quantity, reason }) => [
      [category, outcome, reason].filter((part) => part !== "").join(" "),
      quantity
    ])
  )
})

/** Repeats a piece, with spaces at places that differ, so that it compresses less than a bomb. */
const spaced = (piece: string, times: number): string => {
  const runs: Array<string> = []
  let state = 4_321
  for (let left = times; left > 0;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const length = Math.min(left, 1 + (state >>> 26))
    runs.push(piece.repeat(length))
    left -= length
  }
  return runs.join(" ")
}

const checksum = createHash("sha1").update("chunk").digest("hex")

const chunkForm = (): FormData => {
  const form = new FormData()
  form.append("file", new Blob(["chunk"]), checksum)
  return form
}

let seeds = 0

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("SentryProtocol", (it) => {
  TenantIsolation.protocols(
    it,
    Effect.map(Effect.all([SentryProtocol.routes, SentryCliProtocol.routes]), (lists) => lists.flat()),
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const owner = `walked${seeds++}`
      // Ids are counted per tenant: the stranger has none of this number.
      const project = 71_000 + seeds
      yield* sql`
        INSERT INTO hm_error_project (tenant_id, project_id, slug, name, recorded_at, updated_at)
        VALUES (${owner}, ${project}, 'shop', 'shop', now(), now())
      `
      const version = "7.1.0"
      const organization = "/api/0/organizations/:organization"
      return {
        ownerKey: owner,
        strangerKey: "walker",
        params: { project: String(project), organization: owner, version },
        payloads: {
          "/sentry/api/:project/store/": eventOf({}),
          "/sentry/api/:project/security/": {
            "csp-report": { "document-uri": "https://shop.example/", "violated-directive": "img-src" }
          },
          [`${organization}/artifactbundle/assemble/`]: { checksum, chunks: [checksum], projects: ["shop"] },
          [`${organization}/releases/`]: { version, projects: ["shop"] },
          [`${organization}/releases/:version/`]: { projects: ["shop"] }
        },
        watched: [`/v1/observability/projects/${project}`, `/v1/observability/projects/${project}/releases`]
      }
    }),
    {
      "POST /sentry/api/:project/envelope/": HttpBody.text(
        envelopeOf({}, [{ type: "event" }, eventOf({})]),
        "text/plain"
      ),
      "POST /api/0/organizations/:organization/chunk-upload/": HttpBody.formData(chunkForm())
    }
  )

  it.effect("an event in an envelope becomes an issue, and the answer is JSON with its id", () =>
    Effect.gen(function* () {
      const tenant = newTenant("one")
      const project = yield* projectOf(tenant)
      const event = eventOf({ value: "cart is undefined" })
      const answer = yield* capture(tenant, project, event)
      assert.deepStrictEqual(JSON.parse(answer.text), { id: event["event_id"] })
      assert.strictEqual(answer.headers["access-control-allow-origin"], "*")
      const [issue] = yield* issuesOf(tenant)
      assert.deepInclude(issue, {
        title: "TypeError: cart is undefined",
        eventCount: 1,
        status: "unresolved"
      })
    })
  )

  it.effect(
    "gzip, deflate, br and zstd are read, and so is an envelope with explicit lengths and a last line end",
    () =>
      Effect.gen(function* () {
        const tenant = newTenant("codings")
        const project = yield* projectOf(tenant)
        const codings = {
          gzip: gzipSync,
          deflate: deflateSync,
          br: brotliCompressSync,
          zstd: zstdCompressSync
        }
        for (const [coding, compress] of Object.entries(codings)) {
          const payload = JSON.stringify(eventOf({}))
          const text = `{}\n${JSON.stringify({ type: "event", length: payload.length })}\n${payload}\n`
          const answer = yield* post(project, new Uint8Array(compress(text)), {
            tenant,
            headers: { "content-encoding": coding }
          })
          assert.strictEqual(answer.status, 200, `${coding}: ${answer.text}`)
        }
        const [issue] = yield* issuesOf(tenant)
        assert.strictEqual(issue?.eventCount, 4)
      })
  )

  it.effect("an event that is sent again counts once", () =>
    Effect.gen(function* () {
      const tenant = newTenant("twice")
      const project = yield* projectOf(tenant)
      const event = eventOf({})
      yield* capture(tenant, project, event)
      yield* capture(tenant, project, event)
      const [issue] = yield* issuesOf(tenant)
      assert.strictEqual(issue?.eventCount, 1)
      assert.deepStrictEqual(yield* countsOf(tenant, project.projectId), {
        "error stored": 1,
        "error dropped duplicate": 1
      })
    })
  )

  it.effect("every kind of item is stored or counted, and one that cannot be read is dropped alone", () =>
    Effect.gen(function* () {
      const tenant = newTenant("kinds")
      const project = yield* projectOf(tenant)
      const answer = yield* post(
        project,
        envelopeOf(
          { event_id: newEventId() },
          [{ type: "event" }, eventOf({})],
          [{ type: "event" }, "{not json"],
          [{ type: "session" }, { sid: "1", status: "ok" }],
          [{ type: "check_in" }, { monitor_slug: "nightly", status: "ok" }],
          [{ type: "feedback" }, { contexts: { feedback: { message: "It hangs" } } }],
          [{ type: "attachment", length: 5, filename: "log.txt" }, "a\nb\nc"],
          [{ type: "log", item_count: 3 }, { items: [] }],
          [{ type: "span", item_count: 2 }, { items: [] }],
          [{ type: "trace_metric", item_count: 1 }, { items: [] }],
          [{ type: "transaction" }, {}],
          [{ type: "something_new" }, {}],
          [
            { type: "client_report" },
            { discarded_events: [{ reason: "sample_rate", category: "error", quantity: 7 }] }
          ]
        ),
        { tenant }
      )
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepStrictEqual(yield* countsOf(tenant, project.projectId), {
        "attachment stored": 1,
        "error client sample_rate": 7,
        "error dropped unreadable": 1,
        "error stored": 1,
        "feedback stored": 1,
        "internal counted": 1,
        "log_item counted": 3,
        "check_in stored": 1,
        "session counted": 1,
        "span counted": 2,
        "trace_metric counted": 1,
        "transaction counted": 1,
        "unknown counted something_new": 1
      })
    })
  )

  it.effect("an SDK that parses the answer gets JSON, from /store/ as well, also for a session", () =>
    Effect.gen(function* () {
      const tenant = newTenant("json")
      const project = yield* projectOf(tenant)
      const event = eventOf({})
      const stored = yield* post(project, JSON.stringify(event), { tenant, route: "store" })
      assert.strictEqual(stored.status, 200, stored.text)
      assert.deepStrictEqual(JSON.parse(stored.text), { id: event["event_id"] })
      const session = yield* post(project, envelopeOf({}, [{ type: "session" }, { sid: "1" }]), {
        tenant
      })
      assert.strictEqual(session.status, 200, session.text)
      assert.match(String(JSON.parse(session.text).id), /^[0-9a-f]{32}$/)
      const refused = yield* post(project, "", { tenant, key: "unknown" })
      assert.strictEqual(refused.status, 401)
      assert.isString(JSON.parse(refused.text).detail)
    })
  )

  it.effect("a key opens its own project only, and is found in X-Sentry-Auth too", () =>
    Effect.gen(function* () {
      const tenant = newTenant("keys")
      const first = yield* projectOf(tenant)
      const second = yield* projectOf(tenant, "other")
      const body = envelopeOf({}, [{ type: "event" }, eventOf({})])
      const key = `${tenant}_client_${first.projectId}`
      assert.strictEqual((yield* post(second, body, { tenant, key })).status, 403)
      assert.strictEqual((yield* post("99", body, { tenant })).status, 403)
      assert.strictEqual((yield* post("abc", body, { tenant, key: tenant })).status, 403)
      const response = yield* HttpClient.execute(
        HttpClientRequest.post(`/sentry/api/${first.projectId}/envelope/`).pipe(
          HttpClientRequest.bodyText(body),
          HttpClientRequest.setHeader(
            "x-sentry-auth",
            `Sentry sentry_version=7, sentry_client=python/2.0, sentry_key=${key}`
          )
        )
      )
      assert.strictEqual(response.status, 200)
    })
  )

  it.effect("a browser of another origin may send, and reads the headers of a refusal", () =>
    Effect.gen(function* () {
      const tenant = newTenant("origin")
      const project = yield* projectOf(tenant)
      const preflight = yield* HttpClient.execute(
        HttpClientRequest.options(`/sentry/api/${project.projectId}/envelope/?sentry_key=x`).pipe(
          HttpClientRequest.setHeaders({
            origin: "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,sentry-trace,baggage"
          })
        )
      )
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers["access-control-allow-origin"], "*")
      const refused = yield* post(project, "", { tenant, key: "unknown" })
      assert.include(refused.headers["access-control-expose-headers"], "X-Sentry-Rate-Limits")
    })
  )

  it.effect("a broken envelope is refused in the protocol's way, with a reason", () =>
    Effect.gen(function* () {
      const tenant = newTenant("broken")
      const project = yield* projectOf(tenant)
      const bodies = {
        "broken-empty": "",
        "broken-header": "not json\n{}",
        "broken-item-header": "{}\nnot json\n{}",
        "broken-length": '{}\n{"type":"attachment","length":99}\nshort',
        "broken-too-many-items": `{}\n${'{"type":"session"}\n{}\n'.repeat(1_001)}`
      }
      for (const [reason, text] of Object.entries(bodies)) {
        const answer = yield* post(project, text, { tenant })
        assert.strictEqual(answer.status, 400, reason)
        assert.strictEqual(answer.headers["x-sentry-error"], reason)
      }
      assert.deepStrictEqual(yield* issuesOf(tenant), [])
    })
  )

  it.effect(
    "JSON that stands for gigabytes is not parsed: its item is dropped alone, and the event beside it is stored",
    () =>
      Effect.gen(function* () {
        const tenant = newTenant("brackets")
        const project = yield* projectOf(tenant)
        const brackets = spaced("[", 1_000_000)
        const values = `{"extra":[${spaced("[],", 300_000)}1]}`
        const long = JSON.stringify(eventOf({ event: { extra: { text: "x".repeat(900_000) } } }))
        const before = process.resourceUsage().maxRSS
        const answer = yield* post(
          project,
          new Uint8Array(
            gzipSync(
              envelopeOf(
                {},
                ...Array.from({ length: 20 }, () => [{ type: "event" }, brackets] as const),
                ...Array.from({ length: 20 }, () => [{ type: "event" }, values] as const),
                [{ type: "log", item_count: 3 }, spaced("[", 30_000_000)],
                [{ type: "event" }, eventOf({ value: "beside" })],
                ...Array.from(
                  { length: 6 },
                  () => [{ type: "event" }, long.replace(/.$/, `,"event_id":"${newEventId()}"}`)] as const
                )
              )
            )
          ),
          { tenant, headers: { "content-encoding": "gzip" } }
        )
        assert.strictEqual(answer.status, 200, answer.text)
        assert.deepStrictEqual(yield* countsOf(tenant, project.projectId), {
          "error stored": 5,
          "error dropped too-large": 42,
          "log_item counted": 3
        })
        // In kilobytes. These brackets are two gigabytes of objects.
        assert.isBelow(process.resourceUsage().maxRSS - before, 500 * 1024)
      })
  )

  it.effect("a compression bomb is refused, and JSON of 200 levels is cut", () =>
    Effect.gen(function* () {
      const tenant = newTenant("hostile")
      const project = yield* projectOf(tenant)
      const bomb = gzipSync(Buffer.alloc(101 * 1024 * 1024))
      // The connection is closed after the refusal, and a client may see its end before the answer.
      const refused = yield* post(project, new Uint8Array(bomb), {
        tenant,
        headers: { "content-encoding": "gzip" }
      }).pipe(Effect.retry({ times: 3 }))
      assert.strictEqual(refused.status, 413, refused.text)
      const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`
      const event = JSON.stringify(eventOf({})).replace(/}$/, `,"extra":${deep},"__proto__":{"x":1}}`)
      const answer = yield* post(project, `{}\n{"type":"event"}\n${event}`, { tenant }).pipe(
        Effect.retry({ times: 3 })
      )
      assert.strictEqual(answer.status, 200, answer.text)
      assert.lengthOf(yield* issuesOf(tenant), 1)
    })
  )
})
