import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { provide } from "@hypermarket/core/Tenant"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { acme, TestServer, send, event, fill } from "./eventsHttpFixture.ts"

layer(TestServer, { excludeTestServices: true })("Queues over HTTP", (it) => {
  it.effect("shows a queue, pauses and limits it, and wants the version that it was read with", () =>
    Effect.gen(function* () {
      yield* fill("shown").pipe(provide(acme))
      const path = "/v1/events/queues/shown"
      const before = yield* send("GET", path, "acme")
      assert.deepInclude(before.body, {
        ready: 1,
        dead: 6,
        leased: 0,
        paused: false,
        weight: 1,
        rate: null,
        version: 0
      })
      assert.strictEqual(before.headers.etag, '"0"')
      assert.strictEqual((yield* send("PATCH", path, "acme", { body: { weight: 2 } })).status, 428)
      const body = { concurrencyMax: 5, rate: { max: 10, periodMillis: 1_000 } }
      const changed = yield* send("PATCH", path, "acme", { body, headers: { "if-match": '"0"' } })
      assert.strictEqual(changed.status, 200)
      assert.deepInclude(changed.body, { ...body, weight: 1, version: 1 })
      assert.strictEqual(
        (yield* send("PATCH", path, "acme", { body, headers: { "if-match": '"0"' } })).status,
        412
      )
      assert.strictEqual((yield* send("POST", `${path}/pause`, "acme")).status, 204)
      assert.deepInclude((yield* send("GET", path, "acme")).body, {
        paused: true,
        version: 2,
        concurrencyMax: 5
      })
      assert.strictEqual((yield* send("POST", `${path}/resume`, "acme")).status, 204)
      const lifted = yield* send("PATCH", path, "acme", {
        body: { concurrencyMax: null },
        headers: { "if-match": '"3"' }
      })
      assert.deepInclude(lifted.body, { concurrencyMax: null, rate: body.rate, paused: false })
      for (const wrong of [{ weight: 0 }, { rate: { max: 1, periodMillis: 1 } }, { surprise: 1 }]) {
        const answer = yield* send("PATCH", path, "acme", { body: wrong, headers: { "if-match": '"4"' } })
        assert.strictEqual(answer.status, 400, JSON.stringify(wrong))
      }
      const list = yield* send("GET", "/v1/events/queues", "acme")
      assert.include(JSON.stringify(list.body), '"shown"')
      assert.strictEqual((yield* send("GET", "/v1/events/queues/unheard-of", "acme")).status, 404)
    })
  )

  it.effect("finds a job and takes it back", () =>
    Effect.gen(function* () {
      const jobId = yield* fill("cancelled").pipe(provide(acme))
      const path = `/v1/events/queues/cancelled/jobs/${jobId}`
      assert.deepInclude((yield* send("GET", path, "acme")).body, {
        jobId,
        state: "ready",
        type: "waits",
        runAt: null
      })
      assert.strictEqual((yield* send("POST", `${path}/cancel`, "acme")).status, 204)
      assert.strictEqual((yield* send("POST", `${path}/cancel`, "acme")).status, 404)
      assert.strictEqual((yield* send("GET", path, "acme")).status, 404)
    })
  )

  it.effect("brings the dead back by filter, at once or spread, and removes them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fill("dead").pipe(provide(acme))
      const path = "/v1/events/queues/dead"
      const page = yield* send("GET", `${path}/dead?limit=4`, "acme")
      assert.lengthOf(Schema.decodeUnknownSync(Schema.Array(Schema.Json))(page.body.items), 4)
      assert.isString(page.body.nextCursor)
      const redriven = yield* send("POST", `${path}/redrive`, "acme", { body: { type: "dead 0", limit: 2 } })
      assert.deepStrictEqual(redriven.body, { redriven: 2 })
      const spread = yield* send("POST", `${path}/redrive`, "acme", {
        body: { type: "dead 1", perSecond: 2 }
      })
      assert.deepStrictEqual(spread.body, { redriven: 3 })
      const [times] = yield* sql<{ readonly seconds: number; readonly attempts: number }>`
        SELECT extract(epoch FROM max(run_at) - min(run_at))::float8 AS seconds, max(attempt)::int AS attempts
          FROM hm_event_delayed
         WHERE tenant_id = 'acme' AND queue = 'dead'
      `
      assert.deepStrictEqual(times, { seconds: 1, attempts: 0 })
      const discarded = yield* send("POST", `${path}/discard`, "acme", {
        body: { diedFrom: "2000-01-01T00:00:00Z" }
      })
      assert.deepStrictEqual(discarded.body, { discarded: 1 })
      assert.deepInclude((yield* send("GET", path, "acme")).body, { dead: 0, ready: 3, delayed: 3 })
    })
  )

  it.effect(
    "lists jobs by state and type in the order of their claim, page by page, and shows a payload",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
        const now = yield* Now.now
        const path = "/v1/events/queues/looked-into"
        const job = (type: string, n: number) => ({ queue: "looked-into", type, payload: { n } })
        const [large = ""] = yield* jobs
          .enqueue([
            { ...job("low", 1), payload: "x".repeat(3_000), priority: -4 },
            ...[2, 3, 4].map((n) => job("plain", n)),
            { ...job("urgent", 5), priority: 9 },
            { ...job("keyed", 6), orderingKey: "b" },
            { ...job("keyed", 7), orderingKey: "a" },
            { ...job("later", 8), runAt: new Date(now.getTime() + 86_400_000) }
          ])
          .pipe(provide(acme))
        yield* sql`
        INSERT INTO hm_event_queue (tenant_id, queue, job_id, type, lost, payload)
        VALUES ('acme', '!looked-into', gen_random_uuid(), 'poison', 2, '{"n":9}')
      `
        yield* sql`
        INSERT INTO hm_event_lease (tenant_id, batch_id, queue, worker_id, lease_until, jobs_count, jobs, payloads, done)
        VALUES ('acme', gen_random_uuid(), 'looked-into', gen_random_uuid(), now() + interval '1 hour', 2,
                '[[900001,0,"0199a000-0000-7000-8000-0000000000aa","runs",1772000000000],
                  [900002,0,"0199a000-0000-7000-8000-0000000000ab","done",1772000000000]]',
                ARRAY['{"n":10}', '{"n":11}']::json[], '{900002}')
      `
        const typesOf = (body: Record<string, Schema.Json>) =>
          Schema.decodeUnknownSync(
            Schema.Array(Schema.Struct({ type: Schema.String, state: Schema.String }))
          )(body.items).map(({ state, type }) => `${state} ${type}`)
        const all = Effect.fnUntraced(function* (query: string) {
          const listed: Array<string> = []
          let cursor = ""
          do {
            const { body } = yield* send("GET", `${path}/jobs?${query}&limit=2${cursor}`, "acme")
            listed.push(...typesOf(body))
            cursor = typeof body.nextCursor === "string" ? `&cursor=${body.nextCursor}` : ""
          } while (cursor !== "")
          return listed
        })
        assert.deepStrictEqual(yield* all("state=ready"), [
          "ready urgent",
          "ready plain",
          "ready plain",
          "ready plain",
          "ready poison",
          "ready low"
        ])
        assert.deepStrictEqual(yield* all("type=low"), ["ready low"])
        assert.deepStrictEqual(yield* all("state=ordered"), ["ready keyed", "ready keyed"])
        assert.deepStrictEqual(yield* all("state=delayed"), ["delayed later"])
        assert.deepStrictEqual(yield* all("state=running"), ["running runs"])
        const payload = (jobId: string) => send("GET", `${path}/jobs/${jobId}/payload`, "acme")
        assert.deepStrictEqual((yield* payload("0199a000-0000-7000-8000-0000000000aa")).body, {
          payload: { n: 10 }
        })
        assert.deepStrictEqual((yield* payload(large)).body, { payload: "x".repeat(3_000) })
        assert.strictEqual((yield* payload("0199a000-0000-7000-8000-0000000000ab")).status, 404)
        // A cursor belongs to the list of one state.
        const first = yield* send("GET", `${path}/jobs?state=ready&limit=1`, "acme")
        const other = yield* send(
          "GET",
          `${path}/jobs?state=delayed&cursor=${String(first.body.nextCursor)}`,
          "acme"
        )
        assert.strictEqual(other.status, 400)
      })
  )

  it.effect(
    "groups the dead by an error without its ids and numbers, and filters, redrives and discards a group",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
        INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, died_at)
        SELECT 'acme', 'grouped', gen_random_uuid(), 'type ' || n % 2, 3,
               json_build_array(
                 json_build_object('error', 'an earlier one'),
                 json_build_object('error', CASE WHEN n <= 5
                                                 THEN 'order ' || gen_random_uuid() || ' of 2026-11-' || n || ' is locked'
                                                 ELSE 'no answer in ' || n || ' s' END)),
               '2026-03-01T00:00:00Z'::timestamptz + n * interval '1 day'
          FROM generate_series(1, 8) n
      `
        const path = "/v1/events/queues/grouped"
        const Groups = Schema.Array(
          Schema.Struct({
            failure: Schema.String,
            count: Schema.Int,
            types: Schema.Array(Schema.String),
            firstDiedAt: Schema.String,
            lastDiedAt: Schema.String,
            error: Schema.String
          })
        )
        const groups = yield* send("GET", `${path}/dead/groups`, "acme")
        const [locked, silent] = Schema.decodeUnknownSync(Groups)(groups.body.items)
        assert.deepInclude(locked, {
          failure: "order # of #-#-# is locked",
          count: 5,
          types: ["type 0", "type 1"],
          firstDiedAt: "2026-03-02T00:00:00.000Z",
          lastDiedAt: "2026-03-06T00:00:00.000Z"
        })
        assert.match(locked?.error ?? "", /^order [0-9a-f-]{36} of 2026-11-5 is locked$/)
        assert.deepInclude(silent, { failure: "no answer in # s", count: 3, error: "no answer in 8 s" })
        const query = `failure=${encodeURIComponent("no answer in # s")}&diedFrom=2026-03-08T00:00:00Z&type=type%201`
        const filtered = yield* send("GET", `${path}/dead?${query}`, "acme")
        assert.lengthOf(Schema.decodeUnknownSync(Schema.Array(Schema.Json))(filtered.body.items), 1)
        assert.deepStrictEqual(
          (yield* send("POST", `${path}/redrive`, "acme", { body: { failure: locked?.failure ?? "" } })).body,
          { redriven: 5 }
        )
        assert.deepStrictEqual(
          (yield* send("POST", `${path}/discard`, "acme", { body: { failure: "no answer in # s" } })).body,
          { discarded: 3 }
        )
        assert.deepStrictEqual((yield* send("GET", `${path}/dead/groups`, "acme")).body, { items: [] })
      })
  )

  it.effect("lists the queue of a handler while it is empty, with the attempts of its last hour", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_event_handler (type, handler, queue, seen_at)
        VALUES ('x', 'idle', 'handler.idle', now()), ('y', 'idle', 'handler.idle', now())
      `
      yield* sql`
        INSERT INTO hm_event_history (tenant_id, day, batch_id, queue, jobs_count, failed_count, claimed_at, done_at)
        SELECT tenant_id, (now() - age)::date, gen_random_uuid(), queue, 40, 3, now() - age, now() - age
          FROM (
               VALUES ('acme', 'handler.idle', interval '59 minutes'), ('acme', '!handler.idle', interval '1 minute'),
                       ('acme', 'handler.idle', interval '61 minutes'), ('globex', 'handler.idle', interval '1 minute'))
               AS h (tenant_id, queue, age)
      `
      const { body } = yield* send("GET", "/v1/events/queues", "acme")
      const items = Schema.decodeUnknownSync(Schema.Array(Schema.Record(Schema.String, Schema.Json)))(
        body.items
      )
      assert.deepInclude(
        items.find(({ queue }) => queue === "handler.idle"),
        { ready: 0, dead: 0, lastHour: { jobs: 80, failed: 6 } }
      )
      assert.strictEqual((yield* send("GET", "/v1/events/queues/handler.idle", "acme")).status, 200)
    })
  )

  it.effect(
    "takes whole events as application/json, and data of any type in binary mode, byte for byte",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* send("POST", "/v1/events/subscriptions", "modes", {
          body: { name: "all", queue: "modes", filters: [] }
        })
        const post = Effect.fnUntraced(function* (
          contentType: string | undefined,
          body: string | Uint8Array<ArrayBuffer>,
          attributes: Record<string, string> = {}
        ) {
          const request = HttpClientRequest.post("/v1/events").pipe(
            HttpClientRequest.bearerToken("modes"),
            typeof body === "string"
              ? HttpClientRequest.bodyText(body, contentType)
              : HttpClientRequest.bodyUint8Array(body, contentType ?? "application/octet-stream"),
            HttpClientRequest.setHeaders(attributes)
          )
          return (yield* HttpClient.execute(request)).status
        })
        const ce = (id: string) => ({
          "ce-specversion": "1.0",
          "ce-id": id,
          "ce-source": "/modes",
          "ce-type": "t",
          "ce-partitionkey": "k 1"
        })
        const whole = (id: string) => JSON.stringify({ ...event(id), source: "/modes", partitionkey: "k 2" })
        const bytes = Uint8Array.from([0, 255, 128, 10, 13])
        assert.strictEqual(yield* post("application/json; charset=UTF-8", whole("m1")), 202)
        assert.strictEqual(yield* post("application/json", `[${whole("m2")}, ${whole("m3")}]`), 202)
        assert.strictEqual(yield* post("application/vnd.shop.v2+json; v=2", '{"n": 1.50}', ce("m4")), 202)
        assert.strictEqual(yield* post("image/x-raw", bytes, ce("m5")), 202)
        assert.strictEqual(
          yield* post("text/plain; charset=iso-8859-1", Uint8Array.from([0xfc]), ce("m6")),
          202
        )
        assert.strictEqual(yield* post("application/json; charset=latin1", '"ü"', ce("m7")), 415)
        assert.strictEqual(yield* post("text/plain", "no event"), 415)
        assert.strictEqual(
          yield* post("application/json", Uint8Array.from([0x22, 0xfc, 0x22]), ce("m8")),
          400
        )
        const rows = yield* sql<{ readonly payload: string }>`
        SELECT payload::text AS payload
          FROM hm_event_queue q
         WHERE tenant_id = 'modes'
         ORDER BY q.payload ->> 'id'
      `
        const Stored = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))
        const stored = rows.map(({ payload }) => Schema.decodeUnknownSync(Stored)(payload))
        assert.deepStrictEqual(
          stored.map(({ id }) => id),
          ["m1", "m2", "m3", "m4", "m5", "m6"]
        )
        assert.deepInclude(stored[0], { partitionkey: "k 2" })
        assert.deepInclude(stored[3], {
          datacontenttype: "application/vnd.shop.v2+json; v=2",
          partitionkey: "k 1",
          data: { n: 1.5 }
        })
        assert.include(rows[3]?.payload, '{"n": 1.50}')
        assert.deepInclude(stored[4], { datacontenttype: "image/x-raw", data_base64: "AP+ACg0=" })
        assert.deepInclude(stored[5], {
          datacontenttype: "text/plain; charset=iso-8859-1",
          data_base64: "/A=="
        })
      })
  )
})
