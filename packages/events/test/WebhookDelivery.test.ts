import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as CloudEventRequest from "@hypermarket/events/CloudEventRequest"
import { Events } from "@hypermarket/events/Events"
import * as WebhookOverview from "@hypermarket/events/WebhookOverview"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { WebhookSender } from "@hypermarket/events/WebhookSender"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type Received, Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"
import { asAll, idOf, publish, make, only, failing } from "./webhookDeliveries.ts"

layer(Fixture.layer, { excludeTestServices: true })("A delivery", (it) => {
  it.effect("is tried ten times by its schedule, each attempt counted and kept, and is then dead", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const start = yield* Now.now
      const { endpointId } = yield* make("/schedule")
      failing(receiver, "/schedule", 500)
      yield* publish("1")
      const waits: Array<number> = []
      for (let attempt = 1; attempt <= 10; attempt++) {
        yield* Fixture.drain
        const { attempts, nextAt, state } = yield* only(endpointId)
        assert.strictEqual(attempts, attempt)
        if (nextAt === null) {
          assert.deepStrictEqual([state, attempt], ["dead", 10])
          break
        }
        const wait = nextAt.epochMilliseconds - (yield* Now.now).getTime()
        waits.push(wait)
        yield* Fixture.drain
        assert.lengthOf(receiver.received("/schedule"), attempt)
        yield* time.adjust(wait + 1_000)
      }
      const expected = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
      for (const [index, seconds] of expected.entries()) {
        assert.approximately((waits[index] ?? 0) / 1_000, seconds, seconds * 0.2 + 2)
      }
      const { deliveryId, firstFailedAt, lastError, lastStatus } = yield* only(endpointId)
      assert.deepStrictEqual([lastStatus, lastError], [500, "Answered 500"])
      assert.isTrue(firstFailedAt !== null && firstFailedAt.epochMilliseconds - start.getTime() < 60_000)
      const attempts = yield* webhooks.attempts(endpointId, deliveryId)
      assert.deepStrictEqual(
        attempts.map(({ number }) => number),
        [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
      )
      assert.strictEqual(attempts[0]?.answer, "no\ufffd \ud83d\ude00")
      const ids = new Set(receiver.received("/schedule").map(({ headers }) => headers["webhook-id"]))
      const times = new Set(receiver.received("/schedule").map(({ headers }) => headers["webhook-timestamp"]))
      assert.deepStrictEqual([ids.size, times.size], [1, 10])
      yield* time.set(start)
    }).pipe(Fixture.as("schedule"))
  )

  it.effect("waits as Retry-After says, in each of its forms, up to 24 hours", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const now = yield* Now.now
      const inTwoHours = new Date(Math.ceil(now.getTime() / 1_000) * 1_000 + 7_200_000)
      const utc = inTwoHours.toUTCString()
      const [day = "", date = "", month = "", year = "", clock = ""] = utc.replace(",", "").split(" ")
      const rfc850Day = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: "UTC" }).format(inTwoHours)
      const rfc850 = `${rfc850Day}, ${date}-${month}-${year.slice(2)} ${clock} GMT`
      const asctime = `${day} ${month} ${String(Number(date)).padStart(2, " ")} ${clock} ${year}`
      const cases: ReadonlyArray<readonly [status: number, header: string | undefined, seconds: number]> = [
        [503, "7200", 7_200],
        [503, utc, 7_200],
        [503, rfc850, 7_200],
        [503, asctime, 7_200],
        [500, "99999999999999", 86_400],
        [503, "0", 5],
        [503, "-5", 5],
        [503, "1.5", 5],
        [503, "soon", 5],
        [503, "Thu, 01 Jan 1970 00:00:00 GMT", 5],
        [429, undefined, 60],
        [429, "1", 60],
        [429, "600", 600],
        [429, utc, 7_200],
        [429, rfc850, 7_200],
        [429, asctime, 7_200],
        [429, "Wed, 31 Dec 1980 23:59:59 GMT", 60],
        [429, "later", 60],
        [429, "100000", 86_400]
      ]
      for (const [index, [status, header, seconds]] of cases.entries()) {
        const path = `/after-${index}`
        failing(receiver, path, status, header === undefined ? {} : { "retry-after": header })
        yield* Effect.gen(function* () {
          const { endpointId } = yield* make(path)
          yield* publish("1")
          yield* Fixture.drain
          const { nextAt } = yield* only(endpointId)
          const wait = ((nextAt?.epochMilliseconds ?? 0) - (yield* Now.now).getTime()) / 1_000
          const slack = seconds <= 5 ? 2.5 : 30
          assert.approximately(wait, seconds, slack, `${status} ${header}`)
        }).pipe(Fixture.as(`after-${index}`))
      }
    })
  )

  it.effect(
    "is answered 410: the endpoint is disabled, keeps what it misses, and the notice goes elsewhere",
    () =>
      Effect.gen(function* () {
        const receiver = yield* Receiver
        const webhooks = yield* Webhooks
        const recover = failing(receiver, "/gone", 410)
        const { endpointId } = yield* make("/gone")
        yield* make("/notices")
        yield* publish("1")
        yield* Fixture.drain
        yield* publish("2", "3")
        yield* Fixture.drain
        assert.lengthOf(receiver.received("/gone"), 1)
        const disabled = yield* webhooks.get(endpointId)
        assert.deepInclude(disabled, {
          status: "disabled",
          disabledReason: "gone",
          waiting: 3,
          lastError: "Answered 410"
        })
        assert.isNotNull(disabled.failingSince)
        const notices = receiver.received("/notices").map(({ body }) => JSON.parse(body))
        const notice = notices.find(({ type }) => type === "com.hypermarket.events.webhook.disabled.v1")
        assert.deepInclude(notice, { subject: endpointId, source: "/hypermarket/events" })
        assert.deepInclude(notice.data, { reason: "gone", lastError: "Answered 410" })
        const [alert] = yield* WebhookOverview.alerts
        assert.deepInclude(alert, { kind: "webhook.disabled", subject: endpointId, value: 3 })
        recover()
        yield* webhooks.enable(endpointId)
        yield* Fixture.drain
        assert.deepStrictEqual(receiver.received("/gone").map(idOf), ["1", "1", "2", "3"])
        assert.deepStrictEqual(yield* WebhookOverview.alerts, [])
      }).pipe(Fixture.as("gone"))
  )

  it.effect("of an endpoint that was down for five days arrives when it is enabled, in order, once", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const sender = yield* WebhookSender
      const start = yield* Now.now
      const events = yield* Events
      const recover = failing(receiver, "/down", 503)
      const recoverOrdered = failing(receiver, "/down-ordered", 500)
      const { endpointId } = yield* make("/down")
      const { endpointId: ordered } = yield* make("/down-ordered", { ordered: true })
      yield* make("/observer")
      let published = 0
      for (let hour = 0; hour <= 124; hour += 4) {
        if (hour % 8 === 0) {
          yield* events.publish([
            { id: String(published++), type: "com.example.made", subject: "s", data: 1 }
          ])
        }
        yield* asAll(sender.sweep)
        yield* Fixture.drain
        yield* time.adjust("4 hours")
      }
      const disabled = yield* webhooks.get(endpointId)
      assert.deepInclude(disabled, { status: "disabled", disabledReason: "failing" })
      const failed = receiver.received("/down").length
      // The first of them have used up their attempts meanwhile.
      assert.isAbove((yield* webhooks.deliveries({ endpointId, state: "dead" })).items.length, 0)
      const types = receiver.received("/observer").map(({ body }): string => JSON.parse(body).type)
      assert.include(types, "com.hypermarket.events.webhook.failing.v1")
      assert.include(types, "com.hypermarket.events.webhook.disabled.v1")
      const findings = yield* WebhookOverview.check.run
      assert.isTrue(
        findings.some(({ message }) => message.includes(endpointId) && message.includes("failing"))
      )
      recover()
      recoverOrdered()
      const before = receiver.received("/down-ordered").length
      yield* webhooks.enable(endpointId)
      yield* webhooks.enable(ordered)
      yield* Fixture.drain
      // Notices about the other endpoint come between them.
      const isPublished = ({ body }: Received) => JSON.parse(body).subject === "s"
      const got = receiver.received("/down").slice(failed).filter(isPublished)
      const order = got.map((request) => Number(idOf(request)))
      assert.sameOrderedMembers(
        order.toSorted((a, b) => a - b),
        Array.from({ length: published }, (_, index) => index)
      )
      // They are sent in order, four at a time: one that is slow is overtaken by its neighbours.
      assert.deepStrictEqual(
        order.filter((id, index) => Math.abs(id - index) >= 8),
        []
      )
      // Its endpoint keeps the order of a subject: each as it was published, one at a time.
      const inOrder = receiver.received("/down-ordered").slice(before).filter(isPublished)
      assert.deepStrictEqual(
        inOrder.map((request) => Number(idOf(request))),
        Array.from({ length: published }, (_, index) => index)
      )
      assert.deepInclude(yield* webhooks.get(endpointId), {
        status: "enabled",
        waiting: 0,
        failingSince: null
      })
      yield* time.set(start)
    }).pipe(Fixture.as("down"))
  )

  it.effect(
    "verifies with the old and the new secret during two rotations, and with the newest alone after",
    () =>
      Effect.gen(function* () {
        const receiver = yield* Receiver
        const webhooks = yield* Webhooks
        const sql = yield* SqlClient.SqlClient
        const { endpointId, secret: first } = yield* make("/rotated")
        const secrets = [first ?? ""]
        let published = 0
        const valid = Effect.gen(function* () {
          yield* publish(String(published++))
          yield* Fixture.drain
          const last = receiver.received("/rotated").at(-1)
          // The libraries compare the timestamp with the real clock.
          const { secrets: signing } = yield* Effect.succeed({ secrets })
          return last === undefined ? [] : signing.map((secret) => Fixture.verifies(last, secret))
        })
        const rotate = Effect.map(
          webhooks.rotate(endpointId, {}),
          ({ secret }) => void secrets.push(secret ?? "")
        )
        assert.deepStrictEqual(yield* valid, [true])
        yield* rotate
        assert.deepStrictEqual(yield* valid, [true, true])
        // The second overlap counts from its own rotation.
        yield* sql`UPDATE hm_webhook_secret SET expires_at = expires_at - interval '23 hours'`
        yield* rotate
        assert.deepStrictEqual(yield* valid, [true, true, true])
        assert.strictEqual((yield* Effect.flip(rotate))._tag, "WebhookSecretLimit")
        yield* sql`UPDATE hm_webhook_secret SET expires_at = expires_at - interval '2 hours'`
        assert.deepStrictEqual(yield* valid, [false, true, true])
        yield* sql`UPDATE hm_webhook_secret SET expires_at = expires_at - interval '23 hours'`
        assert.deepStrictEqual(yield* valid, [false, false, true])
        const revoked = yield* webhooks.rotate(endpointId, { revoke: true })
        secrets.push(revoked.secret ?? "")
        assert.deepStrictEqual(yield* valid, [false, false, false, true])
      }).pipe(Fixture.as("rotated"))
  )

  it.effect("of scheme v1a is verified with public keys alone, during and after two rotations", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const sql = yield* SqlClient.SqlClient
      const { endpointId, secret } = yield* make("/asymmetric")
      let published = 0
      const keys: Array<string | null> = []
      const valid = Effect.gen(function* () {
        yield* publish(String(published++))
        yield* Fixture.drain
        const last = receiver.received("/asymmetric").at(-1)
        assert.isDefined(last)
        if (last === undefined) return []
        const altered = { ...last, body: `${last.body} ` }
        assert.deepStrictEqual(
          yield* Effect.forEach(keys, (key) => Fixture.verifiesWithKey(altered, key ?? "")),
          keys.map(() => false)
        )
        return [
          Fixture.verifies(last, secret ?? ""),
          ...(yield* Effect.forEach(keys, (key) => Fixture.verifiesWithKey(last, key ?? "")))
        ]
      })
      const expire = sql`UPDATE hm_webhook_secret SET expires_at = expires_at - interval '25 hours'`
      assert.deepStrictEqual(yield* valid, [true])
      const first = yield* webhooks.rotate(endpointId, { scheme: "v1a" })
      assert.isNull(first.secret)
      keys.push(first.publicKey)
      assert.deepStrictEqual(yield* valid, [true, true])
      // The endpoint keeps its scheme. The seed is that of RFC 8032, 7.1, test 1.
      const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex")
      const second = yield* webhooks.rotate(endpointId, { secret: `whsk_${seed.toString("base64")}` })
      assert.strictEqual(second.publicKey, "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
      keys.push(second.publicKey)
      assert.deepStrictEqual(yield* valid, [true, true, true])
      yield* expire
      assert.deepStrictEqual(yield* valid, [false, false, true])
      keys.push((yield* webhooks.rotate(endpointId, { revoke: true })).publicKey)
      assert.deepStrictEqual(yield* valid, [false, false, false, true])
      assert.strictEqual((yield* webhooks.get(endpointId)).publicKey, keys.at(-1) ?? "")
    }).pipe(Fixture.as("asymmetric"))
  )

  it.effect("has type, timestamp and data as they were published when its endpoint asks for that form", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const events = yield* Events
      const { endpointId, secret, version } = yield* make("/form", { format: "standard", ordered: true })
      const data = '{"n":9007199254740993, "price":1.10, "name":"Z\u00fcrich \u2603 \ud83d\ude00"}'
      const send = (id: string, members: string) =>
        CloudEventRequest.fromRequest(
          "application/cloudevents+json",
          {},
          `{"specversion":"1.0","id":"${id}","source":"/s","type":"com.example.made","subject":"s",${members}}`
        ).pipe(Effect.flatMap(events.publish))
      yield* send("1", `"time":"2026-11-27T10:00:00.5Z","data":${data}`)
      yield* send("2", `"time":"2026-11-27T10:00:00Z","data_base64":"AQID"`)
      yield* send("3", `"time":"2026-11-27T10:00:00Z"`)
      yield* send("4", `"data":4`)
      yield* Fixture.drain
      yield* webhooks.change(endpointId, version, { format: "cloudevents" })
      yield* send("5", `"data":5`)
      yield* Fixture.drain
      const received = receiver.received("/form")
      assert.deepStrictEqual(
        received.map(({ headers }) => headers["content-type"]?.split(";")[0]),
        [...Array.from({ length: 4 }, () => "application/json"), "application/cloudevents+json"]
      )
      assert.deepStrictEqual(
        received.slice(0, 3).map(({ body }) => body),
        [
          `{"type":"com.example.made","timestamp":"2026-11-27T10:00:00.500Z","data":${data}}`,
          `{"type":"com.example.made","timestamp":"2026-11-27T10:00:00.000Z","data":"AQID"}`,
          `{"type":"com.example.made","timestamp":"2026-11-27T10:00:00.000Z","data":null}`
        ]
      )
      // Without a time: when it was published.
      const { items } = yield* webhooks.deliveries({ endpointId })
      const fourth = items.find(({ eventId }) => eventId === "4")
      assert.strictEqual(
        received[3]?.body,
        `{"type":"com.example.made","timestamp":"${DateTime.formatIso(fourth?.recordedAt ?? DateTime.makeUnsafe(0))}","data":4}`
      )
      assert.deepStrictEqual(
        received.map((request) => Fixture.verifies(request, secret ?? "")),
        received.map(() => true)
      )
    }).pipe(Fixture.as("form"))
  )
})
