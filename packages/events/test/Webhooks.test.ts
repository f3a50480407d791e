import { assert, layer } from "@effect/vitest"
import * as CloudEventRequest from "@hypermarket/events/CloudEventRequest"
import { Events } from "@hypermarket/events/Events"
import { Webhooks } from "@hypermarket/events/Webhooks"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"

layer(Fixture.layer, { excludeTestServices: true })("A webhook", (it) => {
  it.effect("gets an event byte for byte, with a signature that standardwebhooks and svix verify", () =>
    Effect.gen(function* () {
      const webhooks = yield* Webhooks
      const events = yield* Events
      const receiver = yield* Receiver
      const { endpointId, secret } = yield* webhooks.create({
        url: `${receiver.origin}/first`,
        filters: [{ prefix: { type: "com.example.order." } }]
      })
      const data = '{"n":9007199254740993, "price":1.10, "name":"Z\u00fcrich \u2603 \ud83d\ude00"}'
      const published = yield* CloudEventRequest.fromRequest(
        "application/cloudevents+json",
        {},
        `{"specversion":"1.0","id":"o-1:placed","source":"/shop","type":"com.example.order.placed","data":${data}}`
      )
      yield* events.publish(published)
      yield* events.publish([{ id: "p-1", type: "com.example.product.changed" }])
      yield* Fixture.worker
      yield* Fixture.until(Effect.sync(() => receiver.received("/first").length > 0))
      const [received] = receiver.received("/first")
      assert.isDefined(received)
      if (received === undefined || secret === null) return
      assert.include(received.body, `"data":${data}}`)
      assert.isTrue(Fixture.verifies(received, secret))
      assert.isFalse(Fixture.verifies({ ...received, body: `${received.body} ` }, secret))
      yield* Fixture.until(
        Effect.map(webhooks.deliveries({ endpointId }), ({ items }) => items[0]?.state === "delivered")
      )
      const { items } = yield* webhooks.deliveries({ endpointId })
      assert.lengthOf(items, 1)
      assert.strictEqual(items[0]?.messageId, received.headers["webhook-id"])
    }).pipe(Effect.scoped, Fixture.as("first"))
  )

  it.effect("is verified by the receiver of the README", () =>
    Effect.gen(function* () {
      const webhooks = yield* Webhooks
      const receiver = yield* Receiver
      const { endpointId, secret } = yield* webhooks.create({ url: `${receiver.origin}/readme` })
      yield* webhooks.test(endpointId)
      yield* Fixture.drain
      const [received] = receiver.received("/readme")
      assert.isDefined(received)
      if (received === undefined || secret === null) return
      const readme = Fs.readFileSync(Path.join(import.meta.dirname, "../README.md"), "utf8")
      const code = /```js\n([^]*?)```/.exec(readme)?.[1] ?? ""
      const lines = code.split("\n").filter((line) => line !== "")
      assert.isAtMost(lines.length, 15)
      const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-receiver-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(folder, { recursive: true })))
      const script = Path.join(folder, "receiver.mjs")
      Fs.writeFileSync(script, code)
      const port = yield* ServiceProcess.freePort
      yield* ServiceProcess.start(script, [], { WEBHOOK_SECRET: secret, PORT: String(port) })
      const post = (body: string) =>
        Effect.promise(() =>
          fetch(`http://127.0.0.1:${port}/`, {
            method: "POST",
            headers: Fixture.signatureOf(received),
            body
          }).then(
            ({ status }) => status,
            () => 0
          )
        )
      yield* Fixture.until(Effect.map(post(received.body), (status) => status === 204))
      assert.strictEqual(yield* post(`${received.body} `), 401)
    }).pipe(Effect.scoped, Fixture.as("readme"))
  )
})
