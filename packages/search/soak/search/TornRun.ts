/**
 * A soak of answers while the documents that they find change. Each writer has a group of documents and changes all of
 * them in one transaction: their price crosses the filter, their title gets another word, or they are removed. Readers ask
 * for a group by its word and a filter, alone, within a transaction, and twice within one of a repeatable read. Versions
 * are built and activated meanwhile. The server gathers no statistics.
 *
 * The rules: each hit's fields have the word and pass the filter. A page is as long as the count allows, and a facet counts
 * what was found. A search finds a whole group or none of it. A repeatable read finds the same twice. A transaction finds
 * its own changes. No search fails.
 */
import * as Database from "@hypermarket/core/Database"
import * as Tenant from "@hypermarket/core/Tenant"
import { Search } from "@hypermarket/search/Search"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Crew from "@hypermarket/soak/Crew"
import * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Path from "node:path"
import * as Catalogue from "./Catalogue.ts"
import type { Size } from "./SearchRun.ts"
import * as SearchServices from "./SearchServices.ts"

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", {}) {}

const tenant = Tenant.TenantId.make("amber")
const worker = Path.join(import.meta.dirname, "worker.ts")
/** Documents of a group: more than one page of hits has by default. */
const groupSize = 100
const priceLimit = 500
const progressInterval = "15 seconds"

/** States of a group in which readers do not find it. */
const others = ["dear", "renamed", "removed"] as const
type State = "cheap" | (typeof others)[number]

const wordOf = (group: number): string => `lantern${group}`
const idOf = (group: number, n: number): string => `g${group}n${n}`

const documentOf = (group: number, n: number, state: State) => ({
  id: idOf(group, n),
  fields: {
    title: state === "renamed" ? `stool ${n}` : `${wordOf(group)} ${n}`,
    price: state === "dear" ? priceLimit + 400 : priceLimit - 400
  }
})

const batchOf = (group: number, state: State) => {
  const all = Array.from({ length: groupSize }, (_, n) => n)
  return state === "removed"
    ? { upserts: [], removals: all.map((n) => ({ id: idOf(group, n) })) }
    : { upserts: all.map((n) => documentOf(group, n, state)), removals: [] }
}

export const run = Effect.fn("TornRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const cluster = yield* Cluster.make({ autovacuum: "off" })
  const context = yield* SearchServices.start(cluster.url, 12)
  const crew = yield* Crew.make({ workers: 1, url: cluster.url, script: worker })
  const body = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const search = yield* Search
    const documents = yield* SearchDocuments
    const indexes = yield* SearchIndexes
    const versions = yield* SearchIndexVersions
    const { add: violated, all: violations } = Report.tally()
    const chance = Chance.make(seed)
    const groups = Array.from({ length: size.writers }, (_, group) => group)

    yield* indexes.ensure(products)
    yield* Catalogue.writeAll(size.products, chance)
    for (const group of groups) yield* documents.write(products, batchOf(group, "cheap"))

    let isSwitched = false
    let isRead = false
    let searches = 0
    let nonEmpty = 0
    let commits = 0
    let rollbacks = 0
    let switches = 0

    /** Searches for a group, and returns how many of its documents were found. */
    const find = Effect.fnUntraced(function* (group: number) {
      const word = wordOf(group)
      const answer = yield* search.search(products, {
        query: word,
        typos: false,
        filter: `price < ${priceLimit}`,
        facets: [{ column: "price" }],
        limit: groupSize
      })
      searches++
      const { facets, found, hits } = answer
      if (found > 0) nonEmpty++
      for (const { fields, id } of hits) {
        if (!String(fields["title"]).includes(word) || Number(fields["price"]) >= priceLimit) {
          violated("torn", `${id} for ${word}: ${JSON.stringify(fields)}`)
        }
      }
      if (hits.length !== found) violated("short", `${hits.length} of ${found} for ${word}`)
      const counted = (facets[0]?.values ?? []).reduce((sum, { count }) => sum + count, 0)
      if (counted !== found) violated("facet_of_another_moment", `${counted} of ${found} for ${word}`)
      if (found !== 0 && found !== groupSize) violated("half_a_transaction", `${found} for ${word}`)
      return found
    })

    const guarded = <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.catchCause(self, (cause) =>
        Effect.sync(() => violated("search_failed", String(Cause.squash(cause))))
      )

    const repeatable = (group: number) =>
      Effect.gen(function* () {
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        const first = yield* find(group)
        yield* Effect.sleep("5 millis")
        const second = yield* find(group)
        if (first !== second) violated("read_not_repeatable", `${first}, then ${second}`)
      }).pipe(Database.transaction)

    const reader = (number: number) =>
      Effect.gen(function* () {
        const own = Chance.make(seed + 1_000 + number)
        let made = 0
        const once = Effect.suspend(() => {
          made++
          const group = own.between(0, size.writers - 1)
          const kind = own.between(0, 9)
          if (kind < 7) return guarded(find(group))
          return guarded(kind < 9 ? Database.transaction(find(group)) : repeatable(group))
        })
        yield* Effect.repeat(once, { while: () => made < size.searches || !isSwitched })
      })

    const writer = (group: number) =>
      Effect.gen(function* () {
        const own = Chance.make(seed + 2_000 + group)
        let state: State = "cheap"
        const once = Effect.gen(function* () {
          // As often as not the state that readers find: half of the answers have hits.
          const next = state === "cheap" ? own.pick(others) : "cheap"
          const rollsBack = own.happens(0.2)
          const isCommitted = yield* Effect.gen(function* () {
            yield* documents.write(products, batchOf(group, next))
            const inside = yield* find(group)
            if (inside !== (next === "cheap" ? groupSize : 0)) {
              violated("own_change_not_seen", `${inside} of ${wordOf(group)}, which is ${next}`)
            }
            if (rollsBack) return yield* new RolledBack()
          }).pipe(
            Database.transaction,
            Effect.as(true),
            Effect.catchTag("RolledBack", () => Effect.succeed(false))
          )
          if (isCommitted) {
            commits++
            state = next
          } else rollbacks++
          const after = yield* find(group)
          if (after !== (state === "cheap" ? groupSize : 0)) {
            violated("not_as_committed", `${after} of ${wordOf(group)}, which is ${state}`)
          }
          yield* Effect.sleep("2 millis")
        })
        yield* Effect.repeat(once, { while: () => !isRead })
      })

    const operator = Effect.gen(function* () {
      for (let n = 0; n < size.switches; n++) {
        const started = yield* versions.start(products, { activates: true })
        const built = yield* versions.get(products, started.versionId).pipe(
          Effect.repeat({
            until: ({ status }) => status !== "building" && status !== "validating",
            schedule: Schedule.spaced("50 millis")
          })
        )
        if (built.activatedAt === null) violated("build_failed", `${built.status}: ${built.failure ?? ""}`)
        else switches++
        yield* Effect.sleep("100 millis")
        yield* versions.rollBack(products)
        yield* Effect.sleep("100 millis")
        yield* versions.rollBack(products)
      }
    })

    const progress = Effect.suspend(() =>
      Run.say(
        `${searches} searches of ${size.clients * size.searches}, ${commits} commits, ${switches} switches`
      )
    ).pipe(Effect.delay(progressInterval), Effect.forever)
    yield* Effect.forkScoped(progress)
    // Writers end with the last reader: all answers meet changes.
    const readers = Effect.all(
      [
        operator.pipe(Effect.ensuring(Effect.sync(() => (isSwitched = true)))),
        ...Array.from({ length: size.clients }, (_, n) => reader(n))
      ],
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(Effect.sync(() => (isRead = true))))
    yield* Effect.all([readers, ...groups.map(writer)], { concurrency: "unbounded", discard: true })

    const totals = yield* documents.compare(products)
    if (totals.checksum !== totals.indexedChecksum) violated("index_differs", JSON.stringify(totals))
    if (nonEmpty === 0) violated("nothing_found", "by any search")
    yield* crew.stop
    for (const fault of crew.faults) violated("worker_fault", fault)
    const report: Report.Report = {
      seed,
      ok: violations().length === 0,
      violations: violations(),
      counts: { searches, nonEmpty, commits, rollbacks, switches },
      millis: (yield* Clock.currentTimeMillis) - startedAt
    }
    return report
  })
  return yield* body.pipe(Effect.provideContext(context), Tenant.provide(tenant))
}, Effect.scoped)
