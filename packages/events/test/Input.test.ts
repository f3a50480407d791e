import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as CloudEvent from "@hypermarket/events/CloudEvent"
import * as CloudEventRequest from "@hypermarket/events/CloudEventRequest"
import { Events, layerOutbox } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.merge(EventsDomain.layer, layerOutbox).pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const event = (id: string, options: Partial<CloudEvent.CloudEvent> = {}): CloudEvent.CloudEvent => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.thing.happened",
  data: { id },
  ...options
})

/** As a client posts it, in structured mode. */
const posted = (id: string, data: string) =>
  CloudEventRequest.fromRequest(
    "application/cloudevents+json",
    {},
    `{ "specversion": "1.0", "d\\u0061ta": 1, "id": "${id}", "source": "/shop", "type": "t", "data" : ${data} }`
  )

layer(TestLayer, { excludeTestServices: true })("Events' input", (it) => {
  it.effect("stores data as the text that came, with every digit and space", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const subscriptions = yield* EventSubscriptions
      yield* subscriptions.create({ name: "texts", queue: "texts", filters: [] })
      const texts = [
        `{"n":9007199254740993, "deep":[12345678901234567890.123,-0,1.10,1e21]}`,
        `"} , \\" ] {"`,
        `[ [ "\\\\" ], {"data": 1} ]`,
        `12345678901234567890`
      ]
      for (const [index, text] of texts.entries()) yield* events.publish(yield* posted(String(index), text))
      const batch = `[ ${texts.map((data, index) => `{"specversion":"1.0","id":"b${index}","source":"/shop","type":"t","data":${data}}`).join(" , ")} ]`
      yield* events.publish(
        yield* CloudEventRequest.fromRequest("application/cloudevents-batch+json", {}, batch)
      )
      const headers = { "ce-specversion": "1.0", "ce-id": "binary", "ce-source": "/shop", "ce-type": "t" }
      yield* events.publish(yield* CloudEventRequest.fromRequest("application/json", headers, texts[0] ?? ""))
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{ readonly text: string }>`
        SELECT (payload -> 'data')::text AS text
          FROM hm_event_queue
         WHERE queue = 'texts'
         ORDER BY seq
      `
      assert.deepStrictEqual(
        rows.map(({ text }) => text),
        [...texts, ...texts, texts[0]]
      )
    }).pipe(provide(TenantId.make("texts")))
  )

  it.effect("calls two texts of one meaning duplicates, and two that differ in one digit a conflict", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const publish = (id: string, data: string) =>
        posted(id, data).pipe(
          Effect.flatMap((parsed) => events.publish(parsed)),
          Effect.match({
            onFailure: (error) => error._tag,
            onSuccess: ([receipt]) => receipt?.state
          })
        )
      const alike = [
        `{"a":1,"b":[2,"ä"]}`,
        `{ "b": [ 2.0, "\\u00e4" ], "a": 10e-1 }`,
        `{"a":0.1E1,"b":[2e0,"ä"]}`
      ]
      assert.deepStrictEqual(yield* Effect.forEach(alike, (text) => publish("alike", text)), [
        "accepted",
        "duplicate",
        "duplicate"
      ])
      for (const [id, one, other] of [
        ["digits", "9007199254740993", "9007199254740992"],
        ["fraction", "0.1000000000000000000001", "0.1"],
        ["order", "[1,2]", "[2,1]"],
        ["kind", `"1"`, "1"],
        ["sign", "-1", "1"],
        ["name", `{"a":1}`, `{"b":1}`],
        ["absent", `{"a":null}`, `{}`]
      ] as const) {
        assert.strictEqual(yield* publish(id, one), "accepted", id)
        assert.strictEqual(yield* publish(id, one), "duplicate", id)
        assert.strictEqual(yield* publish(id, other), "EventConflict", id)
      }
      // The same by a service call, whose data came without text.
      assert.deepStrictEqual(
        yield* events.publish([event("alike", { type: "t", data: { b: [2, "ä"], a: 1 } })]),
        [{ id: "alike", state: "duplicate" }]
      )
    }).pipe(provide(TenantId.make("canonical")))
  )

  it.effect(
    "refuses types and sources of the installation at its doors, and publishes them for a domain",
    () =>
      Effect.gen(function* () {
        const events = yield* Events
        const outbox = yield* Outbox.Outbox
        for (const [path, forged] of [
          ["type", event("1", { type: "com.hypermarket.platform.activity.sealed.v1" })],
          ["type", event("1", { type: "com.hypermarket.shop.order.eaten.v1" })],
          ["source", event("1", { source: "/hypermarket/platform" })],
          ["source", event("1", { source: "/hypermarket" })]
        ] as const) {
          const refused = yield* Effect.flip(events.publish([event("good"), forged]))
          assert.deepStrictEqual(refused._tag === "EventInvalid" && refused.errors[0]?.path, [1, path])
          const posted = JSON.stringify([event("good"), forged])
          const parsed = yield* Effect.flip(
            CloudEventRequest.fromRequest("application/cloudevents-batch+json", {}, posted)
          )
          assert.deepStrictEqual(parsed.errors[0]?.path, [1, path])
        }
        yield* outbox.publish([
          yield* Outbox.event({
            domain: "platform",
            name: "activity.sealed",
            subject: "1",
            time: new Date("2026-01-01T00:00:00Z"),
            data: null
          })
        ])
      }).pipe(provide(TenantId.make("forged")))
  )

  it.effect("checks a fact of a service call as one that is posted, and one of a domain too", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const outbox = yield* Outbox.Outbox
      const type = "com.hypermarket.shop.order.deleted.v1"
      const good = { orderId: "o1", version: 1, reason: "test" }
      const bad = { ...good, version: 0 }
      const refused = yield* Effect.flip(events.publish([event("1", { type, data: bad })]))
      assert.deepStrictEqual(refused._tag === "EventInvalid" && refused.errors[0]?.path, [
        0,
        "data",
        "version"
      ])
      assert.deepStrictEqual(yield* events.publish([event("1", { type, data: good })]), [
        { id: "1", state: "accepted" }
      ])
      const published = yield* Effect.exit(
        outbox.publish([
          { id: "2", source: "/shop", type, time: new Date("2026-01-01T00:00:00Z"), data: bad }
        ])
      )
      assert.isTrue(Exit.hasDies(published))
    }).pipe(provide(TenantId.make("checked")))
  )

  it.effect("refuses what a column cannot hold, in every attribute and at any depth of the data", () =>
    Effect.gen(function* () {
      const deep: unknown = JSON.parse(`${"[".repeat(10_000)}${"]".repeat(10_000)}`)
      for (const [path, bad] of [
        [["id"], { id: "\u0000" }],
        [["id"], { id: "\ud800" }],
        [["source"], { source: "a\u0000" }],
        [["type"], { type: "\udc00" }],
        [["subject"], { subject: "\ud800" }],
        [["dataschema"], { dataschema: "\u0000" }],
        [["time"], { time: "2026-02-30T12:00:00Z" }],
        [["time"], { time: "1" }],
        [["time"], { time: "20000-01-01T00:00:00Z" }],
        [["data"], { data: { a: ["\u0000"] } }],
        [["data"], { data: { "\ud800": 1 } }],
        [["data"], { data: deep }]
      ] as const) {
        const error = yield* Effect.flip(CloudEvent.parse({ ...event("1"), ...bad }, 0))
        assert.deepStrictEqual(error.errors[0]?.path, [0, ...path], JSON.stringify(path))
      }
    })
  )

  it.effect("keeps extensions, the same in structured and binary mode, and counts them as content", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const subscriptions = yield* EventSubscriptions
      yield* subscriptions.create({ name: "extended", queue: "extended", filters: [] })
      const structured = yield* CloudEventRequest.fromRequest(
        "application/cloudevents+json",
        {},
        `{"specversion":"1.0","id":"1","source":"/shop","type":"t","partitionkey":"o-1","tracestate":"a=1","data":1}`
      )
      const headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/shop",
        "ce-type": "t",
        "ce-tracestate": "a=1",
        "ce-partitionkey": "o%2D1"
      }
      const binary = yield* CloudEventRequest.fromRequest("application/json", headers, "1")
      const inProgram = {
        id: "1",
        source: "/shop",
        type: "t",
        extensions: { tracestate: "a=1", partitionkey: "o-1" },
        data: 1
      }
      const states = []
      for (const published of [structured, binary, [inProgram]]) {
        states.push(...(yield* events.publish(published)).map(({ state }) => state))
      }
      assert.deepStrictEqual(states, ["accepted", "duplicate", "duplicate"])
      const other = { ...inProgram, extensions: { partitionkey: "o-2", tracestate: "a=1" } }
      assert.strictEqual((yield* Effect.flip(events.publish([other])))._tag, "EventConflict")
      yield* events.publish([{ id: "2", type: "t", extensions: { level: 3, sampled: true } }])
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{ readonly envelope: Record<string, unknown> }>`
        SELECT payload AS envelope
          FROM hm_event_queue
         WHERE queue = 'extended'
         ORDER BY seq
      `
      assert.deepInclude(rows[0]?.envelope, { partitionkey: "o-1", tracestate: "a=1" })
      assert.deepInclude(rows[1]?.envelope, { level: 3, sampled: true })
    }).pipe(provide(TenantId.make("extended")))
  )

  it.effect("keeps binary data as its base64, and the media type of either", () =>
    Effect.gen(function* () {
      const base64 = Buffer.from([0, 255, 128]).toString("base64")
      for (const attributes of [
        { data_base64: base64, datacontenttype: "image/png" },
        { data: "<a/>", datacontenttype: "text/xml; charset=utf-8" },
        { data: { a: 1 }, datacontenttype: "application/vnd.shop+json" }
      ]) {
        const parsed = yield* CloudEvent.parse(
          { specversion: "1.0", id: "1", source: "/s", type: "t", ...attributes },
          0
        )
        assert.deepInclude(JSON.parse(CloudEvent.toJson(parsed)), attributes)
      }
      for (const [path, bad] of [
        [["data_base64"], { data_base64: "a" }],
        [["data_base64"], { data: 1, data_base64: base64 }],
        [["datacontenttype"], { datacontenttype: "json" }],
        [["partition-key"], { "partition-key": "a" }],
        [["extensions"], { extensions: "a" }],
        [["level"], { level: 1.5 }],
        [["level"], { level: 2 ** 31 }],
        [["key"], { key: "\ud800" }]
      ] as const) {
        const parsed = CloudEvent.parse({ specversion: "1.0", id: "1", source: "/s", type: "t", ...bad }, 0)
        const { errors } = yield* Effect.flip(parsed)
        assert.deepStrictEqual(errors[0]?.path, [0, ...path], JSON.stringify(bad))
      }
    })
  )

  it.effect("ignores the trace of a request that it cannot read", () =>
    Effect.gen(function* () {
      const headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/shop",
        "ce-type": "t",
        traceparent: "01-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01-what-comes-later"
      }
      const [parsed] = yield* CloudEventRequest.fromRequest("application/json", headers, "1")
      assert.isDefined(parsed)
      assert.notProperty(parsed, "traceparent")
    })
  )
})
