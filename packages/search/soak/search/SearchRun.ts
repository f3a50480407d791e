/**
 * An index under load. Clients search, writers change and remove products and roll transactions back, and an operator builds,
 * activates, rolls back and retires versions. In the mode `kill`, builders and Postgres are killed with `kill -9`.
 *
 * Without writers each version has different settings. Every answer must be, hit for hit and score for score, the one that
 * its version gives on an idle machine.
 *
 * The rules: no search fails while Postgres is up. Each answer names a version that was active. The next search finds what a
 * committed transaction wrote, and none finds what was rolled back. Each hit's fields have a word of the query, and a page is
 * as long as the count allows. A version that activates is active in the end, wherever its builder was killed. At the end
 * the index has the checksum of the catalogue, and every product is found by its unique word.
 */
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as Tenant from "@hypermarket/core/Tenant"
import { Search } from "@hypermarket/search/Search"
import type { SearchResult } from "@hypermarket/search/SearchQuery"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import { products, VersionId } from "@hypermarket/search/SearchIndex"
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
import { isSqlError } from "effect/sql/SqlError"
import * as Path from "node:path"
import * as Catalogue from "./Catalogue.ts"
import * as KilledBuilds from "./KilledBuilds.ts"
import * as SearchServices from "./SearchServices.ts"

export interface Size {
  readonly products: number
  /** Searches of each client at least. */
  readonly searches: number
  readonly clients: number
  /** With none, answers are compared with their version's. */
  readonly writers: number
  /** Kills; with none the run is about switching alone, and no search may fail. */
  readonly incidents: number
  readonly switches: number
}

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", {}) {}

const tenant = Tenant.TenantId.make("amber")
const builders = 2
const again = Schedule.spaced("50 millis")
const progressInterval = "15 seconds"
/** Products that are looked for at the end. */
const sampled = 500

/** Passes when the database is away; anything else is a mistake. */
const mayPass = (error: unknown): boolean =>
  isSqlError(error)
    ? Storage.isRetryable(error)
    : typeof error === "object" && error !== null && "_tag" in error && error._tag === "StorageUnavailable"

/** The pool grows within a search. A server that is too busy to accept in three seconds says nothing about the index. */
const isSlowConnect = (error: unknown): boolean =>
  isSqlError(error) && String(error).endsWith("Connection timed out")

const persist = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(self, { while: mayPass, schedule: again })

const worker = Path.join(import.meta.dirname, "worker.ts")

export const run = Effect.fn("SearchRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const cluster = yield* Cluster.make()
  const context = yield* SearchServices.start(cluster.url, 8)
  const crew = yield* Crew.make({
    workers: builders,
    url: cluster.url,
    script: worker
  })
  const body = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const search = yield* Search
    const documents = yield* SearchDocuments
    const indexes = yield* SearchIndexes
    const versions = yield* SearchIndexVersions
    const { add: violated, all: violations } = Report.tally()
    const chance = Chance.make(seed)

    /** State of each product that has committed; 0 for one that is gone. */
    const states = Array.from({ length: size.products }, () => 1)
    yield* indexes.ensure(products)
    yield* Catalogue.writeAll(size.products, chance)

    let isOver = false
    let searches = 0
    let refused = 0
    let commits = 0
    let rollbacks = 0
    let switches = 0
    let kills = 0
    let windows = 0
    let isPostgresAway = false
    const answered = new Set<string>()
    const known = new Set<string>()
    const active = yield* indexes.get(products)
    known.add(active.activeVersion)

    /** The answers of the versions, by query. */
    const answers = new Map<string, Map<string, string>>()
    let compared = 0
    const noteAnswer = (query: string, answer: SearchResult) => {
      const shown = JSON.stringify(answer.hits.map(({ id, score }) => [id, score]))
      const known = answers.get(answer.indexVersion) ?? new Map<string, string>()
      answers.set(answer.indexVersion, known)
      const before = known.get(query)
      if (before === undefined) known.set(query, shown)
      else {
        compared++
        if (before !== shown) violated("hits_of_another_version", `${query}: ${before}, then ${shown}`)
      }
    }
    /** Asks again, version by version, when nothing else goes on. */
    const askAgain = Effect.gen(function* () {
      const all = Array.from(answers)
      let differing = 0
      for (const [version, byQuery] of all) {
        const versionId = VersionId.make(version)
        const status = yield* versions.get(products, versionId).pipe(
          Effect.map((one) => one.status),
          Effect.catchTag("SearchVersionNotFound", () => Effect.succeed("retired"))
        )
        if (status === "retired") continue
        if (status !== "active") yield* versions.activate(products, versionId)
        for (const [query, shown] of byQuery) {
          const answer = yield* search.search(products, { query, limit: 10 })
          if (answer.indexVersion !== version) violated("version_not_active", version)
          noteAnswer(query, answer)
          if (
            all.some(([other, those]) => other !== version && those.has(query) && those.get(query) !== shown)
          )
            differing++
        }
      }
      if (differing === 0) violated("versions_alike", "no query tells them apart")
    })

    const client = (number: number) =>
      Effect.gen(function* () {
        const own = Chance.make(seed + 1_000 + number)
        let made = 0
        const once = Effect.suspend(() => {
          made++
          const query = Catalogue.query(own)
          return search
            .search(products, {
              query,
              facets: own.happens(0.5) ? [{ column: "brand" }] : [],
              limit: 10
            })
            .pipe(
              Effect.map((answer) => {
                searches++
                for (const { fields, id } of answer.hits) {
                  const text = JSON.stringify(fields).toLowerCase()
                  const isFound = answer.words.some(({ terms }) => terms.some((term) => text.includes(term)))
                  if (!isFound) violated("hit_without_a_word", `${id} for ${query}: ${text}`)
                }
                if (answer.hits.length !== Math.min(10, answer.found)) {
                  violated("page_shorter_than_found", `${answer.hits.length} of ${answer.found} for ${query}`)
                }
                answered.add(answer.indexVersion)
                if (size.writers === 0) noteAnswer(query, answer)
              }),
              Effect.catchCause((cause) => {
                const error = Cause.squash(cause)
                if ((mayPass(error) && size.incidents > 0) || isSlowConnect(error)) refused++
                else violated("search_failed", String(error))
                return Effect.sleep("20 millis")
              })
            )
        })
        yield* Effect.repeat(once, { while: () => made < size.searches || !isOver })
      })

    const find = (word: string) =>
      Effect.map(search.search(products, { query: word, typos: false, limit: 5 }), ({ hits }) =>
        hits.map(({ id }) => id)
      )

    /** Changes some products of its share in a transaction, which now and then is rolled back. */
    const writer = (number: number, writers: number) =>
      Effect.gen(function* () {
        const own = Chance.make(seed + 2_000 + number)
        const once = Effect.gen(function* () {
          const chosen = Array.from({ length: own.between(1, 20) }, () => {
            const n = own.between(0, Math.floor(size.products / writers) - 1) * writers + number
            return { n, state: own.happens(0.2) ? 0 : own.between(2, 1_000_000) }
          })
          const distinct = Array.from(new Map(chosen.map((one) => [one.n, one])).values())
          const rollsBack = own.happens(0.2)
          const upserts = distinct
            .filter(({ state }) => state > 0)
            .map(({ n, state }) => Catalogue.product(n, state, own))
          const removals = distinct
            .filter(({ state }) => state === 0)
            .map(({ n }) => ({ id: Catalogue.idOf(n) }))
          const write = Effect.gen(function* () {
            yield* documents.write(products, { upserts, removals })
            const [first] = distinct
            if (first !== undefined && first.state > 0) {
              const inside = yield* find(Catalogue.wordOf(first.n, first.state))
              if (!inside.includes(Catalogue.idOf(first.n)))
                violated("own_change_not_seen", Catalogue.idOf(first.n))
            }
            if (rollsBack) return yield* new RolledBack()
          }).pipe(Database.transaction)
          // Written again after a kill: what is the same already is ignored.
          const isCommitted = yield* persist(write).pipe(
            Effect.as(true),
            Effect.catchTag("RolledBack", () => Effect.succeed(false))
          )
          if (isCommitted) {
            commits++
            for (const { n, state } of distinct) states[n] = state
          } else rollbacks++
          for (const { n, state } of distinct.slice(0, 2)) {
            if (state === 0) continue
            const isFound = (yield* persist(find(Catalogue.wordOf(n, state)))).includes(Catalogue.idOf(n))
            if (isFound !== isCommitted) {
              violated(isCommitted ? "commit_not_found" : "rolled_back_found", Catalogue.idOf(n))
            }
            // A transaction that has changed nothing sees what others have committed.
            const inside = yield* persist(Database.transaction(find(Catalogue.wordOf(n, state))))
            if (inside.includes(Catalogue.idOf(n)) !== isCommitted) {
              violated("transaction_sees_otherwise", Catalogue.idOf(n))
            }
          }
          yield* Effect.sleep("5 millis")
        })
        yield* Effect.repeat(once, { while: () => !isOver })
      })

    const until = (versionId: VersionId) =>
      persist(versions.get(products, versionId)).pipe(
        Effect.repeat({
          until: ({ status }) => status !== "building" && status !== "validating",
          schedule: again
        })
      )

    /** Settings that no other version has: another weight makes other scores. An activation may come in between. */
    const reweigh = Effect.fnUntraced(
      function* (n: number) {
        const { settings, version } = yield* indexes.get(products)
        const [first, ...rest] = settings.fields
        if (first === undefined) return
        const fields = [{ ...first, weight: first.weight + 1 + n }, ...rest]
        yield* indexes.change(products, version, { settings: { ...settings, fields } })
      },
      Effect.retry({ while: ({ _tag }) => _tag === "VersionStale" })
    )

    const operator = Effect.gen(function* () {
      for (let n = 0; n < size.switches; n++) {
        if (size.writers === 0) yield* reweigh(n)
        const activates = n % 2 === 1
        const started = yield* persist(versions.start(products, { activates }))
        const built = yield* until(started.versionId)
        // One that activates is never ready before it was active: a kill in between would leave it so. An automatic version
        // may have followed it since.
        if (activates ? built.activatedAt === null : built.status !== "ready") {
          violated("build_failed", `${built.status}: ${built.failure ?? ""} ${JSON.stringify(built.gates)}`)
          continue
        }
        known.add(built.versionId)
        if (!activates) yield* persist(versions.activate(products, built.versionId))
        switches++
        yield* Effect.sleep("100 millis")
        const back = yield* persist(versions.rollBack(products))
        known.add(back.versionId)
        yield* Effect.sleep("100 millis")
        yield* persist(versions.rollBack(products))
      }
    })

    const incidents = Effect.gen(function* () {
      for (let n = 0; n < size.incidents; n++) {
        yield* Effect.sleep(chance.between(300, 1_500))
        kills++
        if (n % 3 === 2) {
          isPostgresAway = true
          yield* cluster.killAndStart
          isPostgresAway = false
        } else yield* crew.kill(n % builders)
      }
    })

    const progress = Effect.suspend(() =>
      Run.say(`${searches} searches of ${size.clients * size.searches}, ${switches} switches, ${kills} kills`)
    ).pipe(Effect.delay(progressInterval), Effect.forever)
    yield* Effect.forkScoped(progress)
    const { writers } = size
    const killedBuilds = Effect.gen(function* () {
      const killed = yield* KilledBuilds.run(crew, builders)
      kills += killed.kills
      windows = killed.hits
      for (const window of killed.missed) violated("window_not_reached", window)
      for (const version of killed.lost) violated("activation_lost", version)
    })
    yield* Effect.all(
      [
        Effect.all([operator, incidents], { concurrency: "unbounded", discard: true }).pipe(
          Effect.andThen(size.incidents > 0 ? killedBuilds : Effect.void),
          Effect.ensuring(Effect.sync(() => (isOver = true)))
        ),
        ...Array.from({ length: size.clients }, (_, n) => client(n)),
        ...Array.from({ length: writers }, (_, n) => writer(n, writers))
      ],
      { concurrency: "unbounded", discard: true }
    )

    // Automatic versions too come to their end.
    yield* persist(
      sql<{ readonly left: number }>`
        SELECT count(*)::int AS left
          FROM hm_search_index_version
         WHERE status IN ('building', 'validating')
      `
    ).pipe(Effect.repeat({ until: ([row]) => row?.left === 0, schedule: again }))
    const automatic = yield* sql<{ readonly id: string }>`
      SELECT version_id::text AS id
        FROM hm_search_index_version
       WHERE activated_at IS NOT NULL
    `
    for (const { id } of automatic) known.add(id)
    for (const id of answered) if (!known.has(id)) violated("unknown_version", id)
    if (size.writers === 0) yield* askAgain
    const totals = yield* documents.compare(products)
    if (totals.checksum !== totals.indexedChecksum) violated("index_differs", JSON.stringify(totals))
    const living = states.filter((state) => state > 0).length
    if (totals.documents !== living) violated("catalogue_differs", `${totals.documents}, not ${living}`)
    for (let n = 0; n < Math.min(sampled, size.products); n++) {
      const at = chance.between(0, size.products - 1)
      const state = states[at] ?? 0
      const found = yield* find(Catalogue.wordOf(at, Math.max(1, state)))
      if (found.includes(Catalogue.idOf(at)) !== state > 0)
        violated("not_as_committed", `${Catalogue.idOf(at)} ${state}`)
    }
    if (isPostgresAway) violated("postgres_away", "at the end")
    yield* crew.stop
    for (const fault of crew.faults) violated("worker_fault", fault)
    const report: Report.Report = {
      seed,
      ok: violations().length === 0,
      violations: violations(),
      counts: {
        searches,
        refusedInOutages: refused,
        commits,
        rollbacks,
        switches,
        versionsThatAnswered: answered.size,
        answersCompared: compared,
        kills,
        windowsKilledIn: windows,
        workerDeaths: crew.deaths.length
      },
      millis: (yield* Clock.currentTimeMillis) - startedAt
    }
    return report
  })
  return yield* body.pipe(Effect.provideContext(context), Tenant.provide(tenant))
}, Effect.scoped)
