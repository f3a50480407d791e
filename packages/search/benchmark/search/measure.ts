/**
 * A separate process that measures searches over a version in Postgres, so that its memory is that of a service and
 * not of the bench. Arguments: the database's URL, a file with the summary, the number of documents, a mode. One JSON
 * document on standard output.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { VersionSummary } from "@hypermarket/search/internal/engine/VersionSummary"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { readFileSync } from "node:fs"
import * as Catalogue from "./Catalogue.ts"
import * as Ours from "./Ours.ts"
import * as Store from "./Store.ts"
import * as Timing from "./Timing.ts"
import * as Tuning from "./Tuning.ts"

const worstRounds = 9
const onDemandQueries = 300
const megabyte = 1e6

const Job = Schema.Struct({
  summary: VersionSummary,
  queries: Schema.Array(Schema.String),
  /** Of the products as they are, by position. */
  ids: Schema.Array(Schema.String)
})

type Job = typeof Job.Type

/** Of the judged queries, over the products as they are: copies are taken out of the first 1,000 hits. */
const ndcgOf = (
  version: Ours.Version,
  ids: ReadonlyArray<string>,
  judged: ReadonlyArray<Catalogue.JudgedQuery>
) => {
  const count = version.summary.documentCount
  return Tuning.mean(
    judged.map(({ query, ratings }) => {
      const { hits } = Ours.search(version, { query, limit: SearchRequest.windowMax })
      const ranked = hits
        .map(({ ordinal }) => Catalogue.positionAt(count, ordinal ?? 0))
        .flatMap((position) => ids[position] ?? [])
      return Tuning.ndcg(ranked, ratings)
    })
  )
}

const commonest = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly term: string }>`
    SELECT term
      FROM posting
     WHERE chunk = 0
     ORDER BY df DESC, term
     LIMIT 32`
  return rows.map(({ term }) => term).join(" ")
})

const resident = Effect.fnUntraced(function* ({ ids, queries, summary }: Job) {
  const startedAt = performance.now()
  const segment = yield* Store.load(summary)
  const loadSeconds = (performance.now() - startedAt) / 1_000
  const version = { summary, segment, searcher: new Searcher(summary) }
  const worst = yield* commonest
  const withFacets = Timing.time(
    queries.map((query) => ({ query, facets: Ours.facets })),
    version
  )
  const plain = Timing.time(
    queries.map((query) => ({ query })),
    version
  )
  const typing = Timing.time(
    queries.map((query) => ({ query: query.slice(0, -1), prefix: true, facets: Ours.facets })),
    version
  )
  const worstRequests = Array.from({ length: worstRounds }, () => ({ query: worst, facets: Ours.facets }))
  return {
    loadSeconds,
    segmentMegabytes: segment.bytes.total / megabyte,
    plain,
    withFacets,
    typing,
    worst: Timing.time(worstRequests, version),
    nothingFound: queries.filter((query) => Ours.search(version, { query }).nbHits === 0).length,
    ndcg: ndcgOf(version, ids, yield* Catalogue.judgedQueries)
  }
})

const onDemand = Effect.fnUntraced(function* ({ queries: all, summary }: Job) {
  const searcher = new Searcher(summary)
  const queries = all.slice(0, onDemandQueries)
  const one = Effect.fnUntraced(function* (query: string) {
    const search = Result.getOrThrow(searcher.onDemand({ ...SearchRequest.defaults, query }))
    let step = search.next()
    while (step._tag === "Need") {
      search.supply(yield* Store.fetch(step.need))
      step = search.next()
    }
    return yield* Store.page(step.answer.hits.flatMap(({ ordinal }) => ordinal ?? []))
  })
  const timed = Effect.fnUntraced(function* (query: string) {
    const startedAt = performance.now()
    yield* one(query)
    return performance.now() - startedAt
  })
  yield* Effect.forEach(queries, timed)
  const times = (count: number) => Array.from({ length: count }, (_, n) => n)
  const wall = yield* Effect.forEach(times(Timing.rounds), () => Effect.forEach(queries, timed))
  const worst = yield* commonest
  const worstWall = yield* Effect.forEach(times(worstRounds), () => timed(worst))
  return { ...Timing.ofRounds(wall), worst: Bench.median(worstWall), worstBest: Math.min(...worstWall) }
})

const program = Effect.gen(function* () {
  const [url = "", file = "", mode] = process.argv.slice(2)
  const job = yield* Schema.decodeEffect(Schema.fromJsonString(Job))(readFileSync(file, "utf8"))
  const measured = yield* Effect.gen(function* () {
    return mode === "resident" ? yield* resident(job) : yield* onDemand(job)
  }).pipe(Effect.provide(Database.layer(TestDatabase.optionsOf(url), "hm-bench")))
  yield* Console.log(JSON.stringify({ ...measured, rssMegabytes: process.memoryUsage().rss / megabyte }))
})

Main.run(Effect.scoped(program))
