import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { Filter } from "@hypermarket/events/EventFilter"
import { Events, layerOutbox } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { NewSubscription } from "@hypermarket/events/EventSubscription"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Layer, Random, Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.merge(EventsDomain.layer, layerOutbox).pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (id: string) => provide(TenantId.make(id))

type Attributes = Readonly<Record<string, string>>

/** The meaning of the dialects, without SQL. */
const matches = (filter: Filter, event: Attributes): boolean => {
  const compare = (wanted: Attributes, holds: (value: string, wanted: string) => boolean) =>
    Object.entries(wanted).every(([name, value]) => {
      const attribute = event[name]
      return attribute !== undefined && holds(attribute, value)
    })
  if ("exact" in filter) return compare(filter.exact, (value, wanted) => value === wanted)
  if ("prefix" in filter) return compare(filter.prefix, (value, wanted) => value.startsWith(wanted))
  if ("suffix" in filter) return compare(filter.suffix, (value, wanted) => value.endsWith(wanted))
  if ("all" in filter) return filter.all.every((child) => matches(child, event))
  if ("any" in filter) return filter.any.some((child) => matches(child, event))
  return !matches(filter.not, event)
}

/** Queues that got each event, by its id. */
const queuesOf = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly id: string; readonly queue: string }>`
    SELECT payload->>'id' AS id, queue
      FROM hm_event_queue
     WHERE tenant_id = ${tenantId}
  `
  return new Set(rows.map(({ id, queue }) => `${id} ${queue}`))
})

const subscribe = Effect.fnUntraced(function* (filters: ReadonlyArray<ReadonlyArray<Filter>>) {
  const subscriptions = yield* EventSubscriptions
  yield* Effect.forEach(
    filters,
    (all, index) => subscriptions.create({ name: `s${index}`, queue: `q${index}`, filters: all }),
    { discard: true }
  )
})

const publication = ({ id = "", type = "", source = "/", subject, ...extensions }: Attributes) => ({
  id,
  type,
  source,
  ...(subject === undefined ? {} : { subject }),
  extensions
})

layer(TestLayer, { excludeTestServices: true })("A filter", (it) => {
  it.effect("of each dialect decides the examples of CloudEvents Subscriptions", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const event = {
        id: "1",
        type: "com.example.someevent",
        source: "https://bigco.com/repos/x",
        subject: "https://bigco.com"
      }
      const examples: ReadonlyArray<readonly [filter: Filter, expected: boolean]> = [
        [{ exact: { type: "com.example.someevent", subject: "https://bigco.com" } }, true],
        [{ exact: { type: "com.example.someevent", subject: "other" } }, false],
        [{ prefix: { type: "com.example.", subject: "https://bigco.com" } }, true],
        [{ prefix: { type: "example" } }, false],
        [{ suffix: { type: ".someevent", subject: "bigco.com" } }, true],
        [{ suffix: { type: "com" } }, false],
        [{ all: [{ prefix: { type: "com.example." } }, { exact: { subject: "https://bigco.com" } }] }, true],
        [{ all: [{ prefix: { type: "com.example." } }, { exact: { subject: "x" } }] }, false],
        [{ any: [{ exact: { type: "com.github.push" } }, { suffix: { type: "event" } }] }, true],
        [{ any: [{ exact: { type: "com.github.push" } }, { exact: { subject: "x" } }] }, false],
        [{ not: { any: [{ exact: { type: "com.github.push" } }, { exact: { subject: "x" } }] } }, true],
        [{ not: { suffix: { type: "event" } } }, false],
        // An attribute that the event does not have makes a comparison false.
        [{ exact: { dataschema: "x" } }, false],
        [{ not: { exact: { dataschema: "x" } } }, true]
      ]
      // As the text of the standard has them, and an event that each decides.
      const push = { exact: { type: "com.github.push" } }
      const spec = { exact: { subject: "https://github.com/cloudevents/spec" } }
      const printed: ReadonlyArray<readonly [filter: Filter, ids: ReadonlyArray<string>]> = [
        [{ exact: { ...push.exact, ...spec.exact } }, ["push"]],
        [{ prefix: { type: "com.github.", subject: "https://github.com/cloudevents" } }, ["push", "created"]],
        [{ suffix: { type: ".created", subject: "/cloudevents/spec" } }, ["created"]],
        [{ all: [push, spec] }, ["push"]],
        [{ any: [push, spec] }, ["push", "created", "elsewhere"]],
        [{ not: push }, ["1", "created"]]
      ]
      yield* subscribe([...examples, ...printed].map(([filter]) => [filter]))
      yield* events.publish([
        publication(event),
        publication({ ...push.exact, ...spec.exact, id: "push" }),
        publication({ ...spec.exact, id: "created", type: "com.github.issue.created" }),
        publication({ ...push.exact, id: "elsewhere", subject: "https://github.com/other/spec" })
      ])
      const got = yield* queuesOf("examples")
      for (const [index, [filter, ids]] of printed.entries()) {
        assert.deepStrictEqual(
          ["1", "push", "created", "elsewhere"].filter((id) => got.has(`${id} q${examples.length + index}`)),
          [...ids],
          JSON.stringify(filter)
        )
      }
      for (const [index, [filter, expected]] of examples.entries()) {
        assert.strictEqual(got.has(`1 q${index}`), expected, JSON.stringify(filter))
      }
    }).pipe(as("examples"))
  )

  it.effect("decides as a plain evaluator does, for random filters and events with any attribute", () =>
    Effect.gen(function* () {
      const events = yield* Events
      // Few words, of which one is a part of another, and what a path or JSON could misread.
      const words = [
        "a",
        "ab",
        "b",
        "ba",
        'a"b',
        "a\\b",
        "%",
        "\u00fc\ud83d\ude00",
        "\ud83d\ude00",
        "a'",
        "$",
        "\n"
      ]
      const names = ["type", "subject", "partitionkey", "level"]
      const word = Effect.map(Random.nextIntBetween(0, words.length), (n) => words[n] ?? "a")
      const name = Effect.map(Random.nextIntBetween(0, names.length), (n) => names[n] ?? "type")
      const leaf = Effect.gen(function* () {
        const dialect = yield* Random.nextIntBetween(0, 3)
        const wanted: Record<string, string> = { [yield* name]: yield* word }
        if (yield* Random.nextBoolean) wanted[yield* name] = yield* word
        return dialect === 0 ? { exact: wanted } : dialect === 1 ? { prefix: wanted } : { suffix: wanted }
      })
      const filter = (depth: number): Effect.Effect<Filter> =>
        Effect.gen(function* () {
          const kind = depth === 0 ? 0 : yield* Random.nextIntBetween(0, 4)
          if (kind === 0) return yield* leaf
          if (kind === 1) return { not: yield* filter(depth - 1) }
          const children = yield* Effect.forEach([1, 2], () => filter(depth - 1))
          return kind === 2 ? { all: children } : { any: children }
        })
      const filters = yield* Effect.forEach(Array.from({ length: 250 }), () =>
        Effect.map(filter(3), (one) => [one])
      )
      const published = yield* Effect.forEach(Array.from({ length: 40 }), (_, n) =>
        Effect.gen(function* () {
          const event: Record<string, string> = { id: String(n), type: yield* word }
          if (yield* Random.nextBoolean) event.subject = yield* word
          if (yield* Random.nextBoolean) event.partitionkey = `${yield* word}${yield* word}`
          if (yield* Random.nextBoolean) event.level = yield* word
          return event
        })
      )
      yield* subscribe(filters)
      yield* events.publish(published.map(publication))
      const got = yield* queuesOf("random")
      let matched = 0
      for (const event of published) {
        for (const [index, [one]] of filters.entries()) {
          if (one === undefined) continue
          const expected = matches(one, event)
          if (expected) matched++
          assert.strictEqual(got.has(`${event.id} q${index}`), expected, JSON.stringify([event, one]))
        }
      }
      assert.isAbove(matched, 1_000)
    }).pipe(as("random"))
  )

  it.effect("that is empty, too deep, too large or of two dialects is refused", () =>
    Effect.gen(function* () {
      const leaf = { exact: { type: "a" } }
      const deep = (levels: number): unknown => (levels === 1 ? leaf : { not: deep(levels - 1) })
      const bad: ReadonlyArray<unknown> = [
        { all: [] },
        { any: [] },
        { exact: {} },
        { exact: { type: "" } },
        { exact: { data: "a" } },
        { exact: { Type: "a" } },
        { exact: { type: "a" }, prefix: { type: "a" } },
        { sql: "true" },
        { not: [leaf] },
        deep(5),
        { any: Array.from({ length: 65 }, () => leaf) },
        { suffix: { type: "\ud800" } }
      ]
      const decode = Schema.decodeUnknownEffect(NewSubscription, { onExcessProperty: "error" })
      for (const filter of bad) {
        const error = yield* Effect.flip(decode({ name: "n", queue: "q", filters: [filter] }))
        assert.include(String(error), "filters", JSON.stringify(filter))
      }
      yield* decode({ name: "n", queue: "q", filters: [deep(4)] })
      // Far deeper than a stack.
      let bottomless: unknown = leaf
      for (let level = 0; level < 50_000; level++) bottomless = { not: bottomless }
      yield* Effect.flip(decode({ name: "n", queue: "q", filters: [bottomless] }))
    })
  )

  it.effect("of any dialect matches no event of a domain that the maker may not read", () =>
    Effect.gen(function* () {
      const subscriptions = yield* EventSubscriptions
      const outbox = yield* Outbox.Outbox
      const filters: ReadonlyArray<ReadonlyArray<Filter>> = [[], [{ not: { exact: { type: "x" } } }]]
      for (const [index, all] of filters.entries()) {
        yield* subscriptions.create({ name: `a${index}`, queue: `blind-${index}`, filters: all }, ["events"])
        yield* subscriptions.create({ name: `b${index}`, queue: `seeing-${index}`, filters: all }, ["risk"])
        yield* subscriptions.create({ name: `c${index}`, queue: `program-${index}`, filters: all })
      }
      const time = new Date("2026-01-01T00:00:00Z")
      const event = yield* Outbox.event({ domain: "risk", name: "case.opened", subject: "c", time, data: 1 })
      yield* outbox.publish([event])
      const got = yield* queuesOf("reads")
      assert.deepStrictEqual(
        got,
        new Set(["seeing-0", "seeing-1", "program-0", "program-1"].map((queue) => `${event.id} ${queue}`))
      )
    }).pipe(as("reads"))
  )

  it.effect("is matched for 10,000 subscriptions and one event in one statement", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const subscriptions = yield* EventSubscriptions
      const mixed: ReadonlyArray<Filter> = [
        { exact: { type: "com.example.placed" } },
        { prefix: { source: "/elsewhere" } },
        { suffix: { type: ".changed" } },
        { all: [{ prefix: { subject: "o-" } }, { not: { exact: { partitionkey: "p" } } }] },
        { any: [{ exact: { type: "x" } }, { suffix: { subject: "-9" } }] }
      ]
      yield* Effect.forEach(mixed, (filter, index) =>
        subscriptions.create({ name: `m${index}`, queue: `m${index}`, filters: [filter] })
      )
      const few = [{ exact: { type: "com.example.few" } }]
      yield* subscriptions.create({ name: "few", queue: "few", filters: few })
      yield* sql`
        INSERT INTO hm_event_subscription (tenant_id, subscription_id, name, status, filters, compiled, queue, ordered,
                                           recorded_at, updated_at)
        SELECT tenant_id, gen_random_uuid(), name, status, filters, compiled, queue || '-' || n, ordered, recorded_at, updated_at
          FROM hm_event_subscription
          CROSS JOIN generate_series(1, 1999) n
         WHERE tenant_id = 'many'
           AND name <> 'few'
      `
      const before = yield* Clock.currentTimeMillis
      yield* events.publish([publication({ id: "1", type: "com.example.placed", subject: "o-1" })])
      const millis = (yield* Clock.currentTimeMillis) - before
      yield* Effect.logInfo(`One event to 10,000 subscriptions: ${millis} ms`)
      assert.strictEqual((yield* queuesOf("many")).size, 4_000)
      // Beside it in one call: an event for few queues, one for none, and a duplicate.
      yield* events.publish([
        publication({ id: "2", type: "com.example.few", subject: "c-4" }),
        publication({ id: "3", type: "com.example.changed", subject: "c-9" }),
        publication({ id: "4", type: "com.example.none", subject: "c-5" }),
        publication({ id: "1", type: "com.example.placed", subject: "o-1" })
      ])
      const byEvent = Map.groupBy(yield* queuesOf("many"), (text) => text.split(" ")[0])
      const sizes = Array.from(byEvent, ([id, queues]) => [id, queues.length] as const).toSorted()
      assert.deepStrictEqual(sizes, [
        ["1", 4_000],
        ["2", 1],
        ["3", 4_000]
      ])
      assert.include(byEvent.get("3") ?? [], "3 m2-1999")
      assert.deepStrictEqual(byEvent.get("2"), ["2 few"])
    }).pipe(as("many"))
  )
})

layer(TestLayer, { excludeTestServices: true })("A subscription from before the other dialects", (it) => {
  it.effect("keeps its filters, which the migration compiles", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const before: ReadonlyArray<ReadonlyArray<Filter>> = [
        [],
        [{ exact: { type: 'a"b', subject: "s" } }],
        [{ prefix: { source: "/sh" } }, { exact: { type: "x" } }],
        [{ prefix: { subject: "s" } }]
      ]
      yield* subscribe(before)
      yield* sql`
        UPDATE hm_event_subscription
           SET compiled = NULL
         WHERE tenant_id = 'before'
      `
      const statement = EventsDomain.domain.migrations.migrations
        .flatMap(({ statements }) => statements)
        .find((text) => text.includes("UPDATE hm_event_subscription"))
      yield* sql.unsafe(statement ?? "")
      yield* events.publish([
        publication({ id: "1", type: 'a"b', source: "/x", subject: "s" }),
        publication({ id: "2", type: "x", source: "/shop" })
      ])
      assert.deepStrictEqual(yield* queuesOf("before"), new Set(["1 q0", "1 q1", "1 q3", "2 q0", "2 q2"]))
    }).pipe(as("before"))
  )
})
