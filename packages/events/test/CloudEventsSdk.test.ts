/** Events of the npm `cloudevents` SDK, unmodified: what it sends is what it gets from a webhook. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { EventsApi } from "@hypermarket/events/EventsApi"
import * as EventsHttp from "@hypermarket/events/EventsHttp"
import { memberOf } from "@hypermarket/events/internal/jsonText"
import { Webhooks } from "@hypermarket/events/Webhooks"
import {
  CloudEvent,
  type CloudEventV1,
  emitterFor,
  HTTP,
  httpTransport,
  type Message,
  Mode
} from "cloudevents"
import { Effect, Layer, Schema } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { randomBytes } from "node:crypto"
import { type Received, Receiver } from "./Receiver.ts"
import * as TestCredentials from "./testCredentials.ts"
import * as Fixture from "./webhookFixture.ts"

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(EventsApi).pipe(
    Layer.provide(EventsHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, TestCredentials.layer]),
  Layer.provideMerge(Fixture.layer),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const publishUrl = Effect.map(
  HttpServer.HttpServer,
  ({ address }) => `${HttpServer.formatAddress(address).replace("0.0.0.0", "127.0.0.1")}/v1/events`
)

const Answer = Schema.fromJsonString(
  Schema.Struct({ items: Schema.Array(Schema.Struct({ id: Schema.String, state: Schema.String })) })
)

const headersOf = (tenant: string) => ({ authorization: `Bearer ${tenant}` })

/** The SDK's own transport cannot write a message without a body. */
const overFetch =
  (url: string) => (message: Message, options?: { readonly headers?: Record<string, string> }) =>
    fetch(url, {
      method: "POST",
      headers: { ...toHeaders(message.headers), ...options?.headers },
      ...(isBody(message.body) ? { body: message.body } : {})
    }).then(async (response) => ({ status: response.status, body: await response.text() }))

const isBody = (body: unknown): body is string | Uint8Array<ArrayBuffer> =>
  typeof body === "string" || ArrayBuffer.isView(body)

const toHeaders = (headers: Message["headers"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  )

const post = (url: string, tenant: string, message: Message) =>
  Effect.promise(() => overFetch(url)(message, { headers: headersOf(tenant) })).pipe(
    Effect.flatMap(({ body, status }) => {
      assert.strictEqual(status, 202, body)
      return Schema.decodeEffect(Answer)(body)
    })
  )

/** An endpoint that gets every event of the tenant. */
const subscribe = Effect.fnUntraced(function* (tenant: string) {
  const { origin } = yield* Receiver
  const webhooks = yield* Webhooks
  yield* webhooks.create({ url: `${origin}/${tenant}` }).pipe(Fixture.as(tenant))
})

const delivered = Effect.fnUntraced(function* (tenant: string) {
  const { received } = yield* Receiver
  yield* Fixture.drain.pipe(Fixture.as(tenant))
  return received(`/${tenant}`)
})

/** A delivery as the SDK reads it. */
const read = ({ body, headers }: Received): CloudEvent<unknown> => {
  const event = HTTP.toEvent({ headers, body })
  if (Array.isArray(event)) throw new TypeError("a delivery is one event")
  return new CloudEvent(event as CloudEventV1<unknown>, false)
}

/** Attributes by name, without what each mode writes in its own way: binary data, and the default content type. */
const attributesOf = (event: CloudEvent<unknown>) => {
  const { data: _, data_base64: __, datacontenttype: ___, ...attributes } = JSON.parse(event.toString())
  return attributes
}

const bytesOf = (data: unknown): string =>
  data instanceof Uint8Array ? Buffer.from(data).toString("base64") : ""

const base = { type: "com.example.sdk", source: "/sdk" } as const

const extensions = {
  partitionkey: "o-1",
  tracestate: "vendor=1,other=2",
  sequence: "42",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}

/** Events whose `data` is JSON, and its text. */
const json: ReadonlyArray<readonly [string, Partial<CloudEventV1<unknown>>]> = [
  ["object", { data: { a: "ä", nested: { list: [1, null, true] } } }],
  ["array", { data: [1, "two", { three: 3 }] }],
  ["null", { data: null }],
  ["declared", { data: { a: 1 }, datacontenttype: "application/json" }],
  ["charset", { data: { a: "é" }, datacontenttype: "application/json; charset=utf-8" }],
  ["suffix", { data: { a: 1 }, datacontenttype: "application/vnd.example+json" }],
  [
    "attributes",
    {
      data: { a: 1 },
      subject: "o-1",
      dataschema: "https://shop.example/schema.json",
      time: "2026-03-29T01:30:00.123Z"
    }
  ],
  ["extended", { data: { a: 1 }, ...extensions }]
]

/** Events whose `data` is no JSON. */
const other: ReadonlyArray<readonly [string, Uint8Array, string]> = [
  ["octets", new Uint8Array([0, 255, 128, 10, 13, 34]), "application/octet-stream"],
  ["image", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0x00]), "image/jpeg"],
  ["typed json", Buffer.from([1, 2, 3]), "application/x-protobuf; proto=shop.Order"],
  ["large", randomBytes(50_000), "application/octet-stream"],
  ...Array.from(
    { length: 12 },
    (_, n) => [`random ${n}`, randomBytes(n * n + 1), "application/x-any"] as const
  )
]

layer(TestServer, { excludeTestServices: true })("An event of the cloudevents SDK", (it) => {
  for (const mode of [Mode.STRUCTURED, Mode.BINARY] as const) {
    it.effect(`arrives as it was sent in ${mode} mode by the SDK's own transport, JSON byte for byte`, () =>
      Effect.gen(function* () {
        const tenant = `sdk-json-${mode}`
        yield* subscribe(tenant)
        const emit = emitterFor(httpTransport(yield* publishUrl), { mode })
        const sent = json.map(([id, event]) => new CloudEvent({ ...base, ...event, id }))
        for (const event of sent) {
          const answer = yield* Effect.promise(() => emit(event, { headers: headersOf(tenant) }))
          const { body } = yield* Schema.decodeUnknownEffect(Schema.Struct({ body: Schema.String }))(answer)
          assert.deepStrictEqual(
            (yield* Schema.decodeEffect(Answer)(body)).items,
            [{ id: event.id, state: "accepted" }],
            body
          )
        }
        const got = yield* delivered(tenant)
        assert.deepStrictEqual(
          got.map((received) => memberOf(received.body, "data")).toSorted(),
          sent.map(({ data }) => JSON.stringify(data)).toSorted()
        )
        const events = new Map(got.map(read).map((event) => [event.id, event]))
        for (const event of sent) {
          const arrived = events.get(event.id)
          assert.isDefined(arrived)
          assert.deepStrictEqual(attributesOf(arrived ?? event), attributesOf(event), event.id)
          if (event.datacontenttype !== undefined) {
            assert.strictEqual(arrived?.datacontenttype, event.datacontenttype)
          }
        }
      })
    )

    it.effect(`keeps the bytes and the content type of other data in ${mode} mode`, () =>
      Effect.gen(function* () {
        const tenant = `sdk-other-${mode}`
        yield* subscribe(tenant)
        const emit = emitterFor(overFetch(yield* publishUrl), { mode })
        for (const [id, data, datacontenttype] of other) {
          const event = new CloudEvent({ ...base, id, data, datacontenttype, ...extensions })
          const answer = yield* Effect.promise(() => emit(event, { headers: headersOf(tenant) }))
          assert.deepInclude(answer, { status: 202 }, id)
        }
        const got = yield* delivered(tenant)
        assert.lengthOf(got, other.length)
        const events = new Map(got.map((received) => [read(received).id, received]))
        for (const [id, data, datacontenttype] of other) {
          const body = events.get(id)?.body ?? "{}"
          assert.strictEqual(memberOf(body, "data_base64"), JSON.stringify(bytesOf(data)), id)
          assert.strictEqual(memberOf(body, "datacontenttype"), JSON.stringify(datacontenttype), id)
          assert.isUndefined(memberOf(body, "data"), id)
          for (const [name, value] of Object.entries(extensions)) {
            assert.strictEqual(memberOf(body, name), JSON.stringify(value), `${id} ${name}`)
          }
        }
      })
    )
  }

  it.effect("is the same event in both modes: sent in the other one it is a duplicate", () =>
    Effect.gen(function* () {
      const tenant = "sdk-both"
      const url = yield* publishUrl
      const both = [
        {
          ...base,
          id: "json",
          data: { a: 1, b: [2] },
          subject: "s",
          partitionkey: "p",
          level: 3,
          sampled: true
        },
        {
          ...base,
          id: "octets",
          data: Buffer.from([0, 1, 255]),
          datacontenttype: "application/octet-stream"
        },
        { ...base, id: "text", data: "no JSON, ümlaut", datacontenttype: "text/plain" },
        { ...base, id: "xml", data: "<a>1</a>", datacontenttype: "application/xml; charset=UTF-8" },
        { ...base, id: "nothing" }
      ].map((event) => new CloudEvent<unknown>({ ...event, time: "2026-01-02T03:04:05.678Z" }))
      for (const [index, event] of both.entries()) {
        const modes = [Mode.STRUCTURED, Mode.BINARY] as const
        const answers = yield* Effect.forEach(index % 2 === 0 ? modes : modes.toReversed(), (mode) =>
          post(url, tenant, HTTP[mode](event))
        )
        assert.deepStrictEqual(
          answers.map(({ items }) => items),
          [[{ id: event.id, state: "accepted" }], [{ id: event.id, state: "duplicate" }]],
          event.id
        )
      }
    })
  )

  it.effect("arrives from a batch in its order, and the SDK reads the batch as we do", () =>
    Effect.gen(function* () {
      const tenant = "sdk-batch"
      yield* subscribe(tenant)
      const events = [
        new CloudEvent<unknown>({ ...base, id: "b-1", data: { a: 1 }, ...extensions }),
        new CloudEvent<unknown>({
          ...base,
          id: "b-2",
          data: Buffer.from([9, 0, 200]),
          datacontenttype: "image/gif"
        }),
        new CloudEvent<unknown>({ ...base, id: "b-3", data: "plain", datacontenttype: "text/plain" }),
        new CloudEvent<unknown>({ ...base, id: "b-4" })
      ]
      const message = {
        headers: { "content-type": "application/cloudevents-batch+json" },
        body: JSON.stringify(events)
      }
      assert.lengthOf([HTTP.toEvent(message)].flat(), events.length)
      const { items } = yield* post(yield* publishUrl, tenant, message)
      assert.deepStrictEqual(
        items,
        events.map(({ id }) => ({ id, state: "accepted" }))
      )
      const got = new Map((yield* delivered(tenant)).map((received) => [read(received).id, received.body]))
      assert.deepStrictEqual(
        events.map(({ id }) => [
          memberOf(got.get(id) ?? "{}", "data"),
          memberOf(got.get(id) ?? "{}", "data_base64")
        ]),
        [
          ['{"a":1}', undefined],
          [undefined, '"CQDI"'],
          ['"plain"', undefined],
          [undefined, undefined]
        ]
      )
    })
  )

  it.effect("is taken as application/json too, and its JSON text keeps digits and spaces", () =>
    Effect.gen(function* () {
      const tenant = "sdk-text"
      yield* subscribe(tenant)
      const url = yield* publishUrl
      const whole = new CloudEvent({ ...base, id: "whole", data: { a: 1 } })
      const first = yield* post(url, tenant, {
        headers: { "content-type": "application/json" },
        body: whole.toString()
      })
      assert.deepStrictEqual(first.items, [{ id: "whole", state: "accepted" }])
      // A text is sent as it is in binary mode.
      const text = '{ "n": 12345678901234567890.10,\n "m": 9007199254740993 }'
      yield* post(url, tenant, HTTP.binary(new CloudEvent({ ...base, id: "text", data: text })))
      const bodies = (yield* delivered(tenant)).map(({ body }) => memberOf(body, "data"))
      assert.sameMembers(bodies, ['{"a":1}', text])
    })
  )

  it.effect("of version 0.3 is refused by its version, and so is a text that binary mode calls JSON", () =>
    Effect.gen(function* () {
      const url = yield* publishUrl
      const old = new CloudEvent({ ...base, id: "old", specversion: "0.3", data: { a: 1 } })
      const noJson = new CloudEvent({ ...base, id: "none", data: "no JSON" })
      const refused = yield* Effect.forEach(
        [HTTP.structured(old), HTTP.binary(old), HTTP.binary(noJson)],
        (message) => Effect.promise(() => overFetch(url)(message, { headers: headersOf("sdk-refused") }))
      )
      assert.deepStrictEqual(
        refused.map(({ status }) => status),
        [400, 400, 400]
      )
      assert.include(refused[0]?.body, "specversion")
      assert.include(refused[1]?.body, "specversion")
      assert.include(refused[2]?.body, "Expected JSON")
    })
  )
})
