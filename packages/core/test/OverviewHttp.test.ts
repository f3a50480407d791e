import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import * as Overview from "@hypermarket/core/Overview"
import { OverviewAlerts, OverviewApi, OverviewTimeline } from "@hypermarket/core/OverviewApi"
import * as OverviewHttp from "@hypermarket/core/OverviewHttp"
import { Tenant } from "@hypermarket/core/Tenant"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, DateTime, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"

/** Items of each domain as `[millisecond, itemId]`, with instants that domains and items share. */
const itemsOf: Readonly<Record<string, ReadonlyArray<readonly [number, string]>>> = {
  alpha: [
    [5, "b"],
    [5, "a"],
    [3, "z"]
  ],
  beta: [
    [5, "x"],
    [4, "y"],
    [3, "z"],
    [3, "a"]
  ],
  gamma: [[5, "a"]]
}

const at = (millis: number) => DateTime.makeUnsafe(1_800_000_000_000 + millis)

/** As a domain's SQL does: `(at, item_id) < (before.at, before.itemId)`, newest first. */
const timelineOf =
  (name: string): Overview.Timeline<Tenant> =>
  ({ before, limit, subject }) =>
    Effect.map(Tenant, ({ id }) =>
      (itemsOf[name] ?? [])
        .map(([millis, itemId]) =>
          Overview.TimelineItem.make({
            itemId,
            at: at(millis),
            kind: "test",
            data: [id, subject.id],
            links: []
          })
        )
        .filter((item) => {
          if (before === undefined) return true
          const difference = DateTime.toEpochMillis(item.at) - before.at.getTime()
          return difference < 0 || (difference === 0 && item.itemId < before.itemId)
        })
        .slice(0, limit)
    )

class Built extends Context.Service<Built, { readonly count: number }>()("test/Built") {}

let builds = 0
/** Counts how often its services are built. */
const layerBuilt = Layer.effect(
  Built,
  Effect.sync(() => ({ count: ++builds }))
)

const domainOf = (name: string, part: Partial<Domain.Options<Built, never, never>>) =>
  Domain.make<Built, never, never>({
    name,
    tables: [],
    migrations: CoreDomain.migrations,
    layer: layerBuilt,
    ...part
  })

const alert = (kind: string, severity: "critical" | "warning", sinceMillis: number) =>
  Overview.Alert.make({ kind, severity, subject: "s", value: 1, since: at(sinceMillis), data: {} })

/** The queues of a domain as they are shown, and how many readers they have had: now, and at most. */
const queues = { shown: "", reads: 0, readers: 0, readersMost: 0 }

const domains = [
  domainOf("alpha", {
    queueFingerprint: Effect.gen(function* () {
      queues.readersMost = Math.max(queues.readersMost, ++queues.readers)
      yield* Effect.sleep("50 millis")
      queues.readers--
      queues.reads++
      return queues.shown
    }),
    timeline: timelineOf("alpha"),
    alerts: Effect.succeed([alert("late", "warning", 1), alert("dead", "critical", 9)]),
    lookup: (text) => Effect.succeed([Overview.Match.make({ kind: "thing", id: text, title: "A thing" })])
  }),
  domainOf("beta", {
    timeline: timelineOf("beta"),
    alerts: Effect.succeed([alert("older", "critical", 2)]),
    lookup: () => Effect.never
  }),
  domainOf("gamma", { timeline: timelineOf("gamma"), alerts: Effect.die(new Error("broken")) }),
  domainOf("hidden", {
    timeline: timelineOf("alpha"),
    alerts: Effect.succeed([]),
    lookup: () => Effect.die("asked")
  }),
  domainOf("silent", {})
]

const layerContributors = Layer.effect(
  OverviewHttp.Contributors,
  Effect.forEach(domains, ({ start }) => start)
)

const TestServer = TestApi.layer(
  OverviewApi,
  OverviewHttp.layer.pipe(Layer.provide(layerContributors), Layer.provideMerge(layerBuilt)),
  { scopes: ["alpha:read", "beta:admin", "gamma:write"] }
).pipe(Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations)))

type Timeline = typeof OverviewTimeline.Encoded

const decodeTimeline = Schema.decodeUnknownEffect(Schema.toEncoded(OverviewTimeline))
const decodeAlerts = Schema.decodeUnknownEffect(Schema.toEncoded(OverviewAlerts))

const page = Effect.fnUntraced(function* (query: string) {
  const { body, status, text } = yield* TestApi.send("GET", `/v1/overview/timeline/order/A-1${query}`)
  assert.strictEqual(status, 200, text)
  return yield* decodeTimeline(body)
})

layer(TestServer, { excludeTestServices: true })("The overview", (it) => {
  it.effect("shows each item of all domains once, newest first, at every size of page", () =>
    Effect.gen(function* () {
      const whole = yield* page("")
      const shown = whole.items.map(({ at, domain, itemId }) => `${at.slice(-4, -1)} ${domain} ${itemId}`)
      assert.deepStrictEqual(shown, [
        "005 alpha b",
        "005 alpha a",
        "005 beta x",
        "005 gamma a",
        "004 beta y",
        "003 alpha z",
        "003 beta z",
        "003 beta a"
      ])
      assert.isNull(whole.nextCursor)
      assert.deepStrictEqual(whole.items[0]?.data, ["acme", "A-1"])
      for (const limit of [1, 2, 3, 5, 7]) {
        const items: Array<Timeline["items"][number]> = []
        for (let cursor: string | null = ""; cursor !== null;) {
          const { items: more, nextCursor }: Timeline = yield* page(
            `?limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`
          )
          items.push(...more)
          cursor = nextCursor
        }
        assert.deepStrictEqual(items, whole.items, `${limit} a page`)
      }
    })
  )

  it.effect("names the domain that the key may not read, and asks it for nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* page("")).missing, [{ domain: "hidden", reason: "scope-missing" }])
    })
  )

  it.effect("shows alerts by severity and age, without a domain that fails", () =>
    Effect.gen(function* () {
      const { body } = yield* TestApi.send("GET", "/v1/overview/alerts")
      const { items, missing } = yield* decodeAlerts(body)
      assert.deepStrictEqual(
        items.map(({ domain, kind }) => `${domain} ${kind}`),
        ["beta older", "alpha dead", "alpha late"]
      )
      assert.deepStrictEqual(missing, [
        { domain: "gamma", reason: "failed" },
        { domain: "hidden", reason: "scope-missing" }
      ])
    })
  )

  it.effect("finds what a domain knows, and does not wait for one that hangs", () =>
    Effect.gen(function* () {
      const { body } = yield* TestApi.send("GET", "/v1/overview/search?q=A-1")
      assert.deepStrictEqual(body, {
        items: [{ domain: "alpha", kind: "thing", id: "A-1", title: "A thing" }],
        missing: [
          { domain: "beta", reason: "late" },
          { domain: "hidden", reason: "scope-missing" }
        ]
      })
    })
  )

  it.effect("refuses a kind without a timeline, and a cursor of another list", () =>
    Effect.gen(function* () {
      for (const path of ["/v1/overview/timeline/shelf/7", "/v1/overview/timeline/order/7?cursor=abc"]) {
        assert.strictEqual((yield* TestApi.send("GET", path)).status, 400, path)
      }
    })
  )

  it.effect("uses the services that are there and builds none again", () =>
    Effect.sync(() => assert.strictEqual(builds, 1))
  )

  it.effect("reports that queues have changed to each stream, from one reader per tenant", () =>
    Effect.gen(function* () {
      const opened = (key: string) =>
        HttpClient.execute(
          HttpClientRequest.get("/v1/overview/live?topics=queues").pipe(HttpClientRequest.bearerToken(key))
        )
      const responses = yield* Effect.forEach(Array.from({ length: 5 }), () => opened("acme"))
      for (const { headers, status } of responses) {
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["content-type"], "text/event-stream")
      }
      const refused = yield* opened("acme")
      assert.strictEqual(refused.status, 429)
      assert.include(yield* refused.text, "too-many-streams")
      const isRead = Effect.suspend(() => (queues.reads > 0 ? Effect.void : Effect.fail("not yet")))
      yield* Effect.eventually(Effect.delay(isRead, "20 millis"))
      const heard = yield* Effect.forkChild(
        Effect.forEach(
          responses,
          ({ stream }) =>
            stream.pipe(
              Stream.decodeText,
              Stream.splitLines,
              Stream.filter((line) => line.startsWith("event: ")),
              Stream.take(2),
              Stream.runCollect
            ),
          { concurrency: "unbounded" }
        )
      )
      queues.shown = "one more"
      const lines = yield* Fiber.join(heard)
      assert.deepStrictEqual(
        lines.map((each) => Array.from(each)),
        Array.from({ length: 5 }, () => ["event: ready", "event: changed"])
      )
      assert.strictEqual(queues.readersMost, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("watches only what it knows", () =>
    Effect.gen(function* () {
      for (const query of ["", "?topics=", "?topics=orders", "?topics=queues,alerts,queues"]) {
        assert.strictEqual((yield* TestApi.send("GET", `/v1/overview/live${query}`)).status, 400)
      }
    })
  )
})
