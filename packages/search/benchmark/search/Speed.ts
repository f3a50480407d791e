/**
 * Build, load, latency, memory and size of our engine at one size of the catalogue, over rows in Postgres.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import { Delta } from "@hypermarket/search/internal/engine/Delta"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Catalogue from "./Catalogue.ts"
import * as Ours from "./Ours.ts"
import * as Store from "./Store.ts"
import * as Timing from "./Timing.ts"

const Latencies = Schema.Struct({ p50: Schema.Finite, p95: Schema.Finite, p99: Schema.Finite })
const Timed = Schema.Struct({ wall: Latencies, best: Latencies, perCpuSecond: Schema.Finite })

const Resident = Schema.Struct({
  loadSeconds: Schema.Finite,
  segmentMegabytes: Schema.Finite,
  rssMegabytes: Schema.Finite,
  plain: Timed,
  withFacets: Timed,
  typing: Timed,
  worst: Timed,
  nothingFound: Schema.Int,
  ndcg: Schema.Finite
})

const OnDemand = Schema.Struct({
  wall: Latencies,
  best: Latencies,
  worst: Schema.Finite,
  worstBest: Schema.Finite,
  rssMegabytes: Schema.Finite
})

/** The answer of a peer's script about its speed. */
const PeerTimes = Schema.Struct({
  indexSeconds: Schema.Finite,
  rssMegabytes: Schema.Finite,
  millis: Schema.Array(Schema.Finite)
})

/** The peers are timed on the first of the queries: some of theirs take a tenth of a second. */
const peerQueries = 200

/** Beyond it the peers take gigabytes, or minutes to fill; changes are timed up to it as well. */
const comparedCountMax = 100_000

const measureScript = Path.join(import.meta.dirname, "measure.ts")

/** Changes of one batch, as a shop's import sends them. */
const changesPerBatch = 100
/** A rebuild begins from here. */
const changedDocuments = 20_000

const measure = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  url: string,
  file: string,
  mode: string
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* ServiceProcess.start(measureScript, [url, file, mode], {})
      const { code } = yield* child.exit
      if (code !== 0) return yield* new Setup.SetupFailed({ message: child.log() })
      return yield* Schema.decodeEffect(Schema.fromJsonString(schema))(child.output())
    })
  )

const seconds = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    const result = yield* effect
    return { result, seconds: (performance.now() - startedAt) / 1_000 }
  })

const ofThread = () => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1e6
}

/** How fast changes are analysed and joined to a version, in batches, and searches over version and changes. */
const withChanges = (products: ReadonlyArray<Catalogue.Product>, rows: Ours.Rows) => {
  const { documentCount } = rows.summary
  const delta = new Delta(rows.summary)
  const startedAt = ofThread()
  for (let from = 0; from < changedDocuments; from += changesPerBatch) {
    delta.apply(
      Array.from({ length: changesPerBatch }, (_, n) => {
        const ordinal = ((from + n) * 7) % documentCount
        const product = Catalogue.productAt(products, documentCount, ordinal)
        return { docId: product.id, ordinal, document: Catalogue.documentOf(product, 0.5) }
      })
    )
  }
  const perCpuSecond = changedDocuments / (ofThread() - startedAt)
  const requests = Catalogue.queries(products).map((query) => ({ query, facets: Ours.facets }))
  return { perCpuSecond, megabytes: delta.bytes / 1e6, timed: Timing.time(requests, Ours.load(rows), delta) }
}

/** The peers over the same products and queries, first ten hits, correcting mistakes where they can. */
const peerTimes = Effect.fnUntraced(function* (products: ReadonlyArray<Catalogue.Product>, count: number) {
  const documents = Array.from({ length: count }, (_, n) => {
    const { attributes, brand, description, title } = Catalogue.productAt(products, count, n)
    return { title, brand, description, attributes: attributes.join(" ") }
  })
  const { stopWords } = Catalogue.settings.analyser
  const job = {
    documents,
    queries: Catalogue.queries(products).slice(0, peerQueries),
    stopWords,
    isTimed: true
  }
  const equal = { title: 1, brand: 1, description: 1, attributes: 1, mode: "or", prefix: false }
  const times = {
    "SQLite FTS5": yield* Setup.peerAnswer(
      "searchSqlite.js",
      { ...job, configurations: [{ ...equal, tokenizer: "porter unicode61" }] },
      PeerTimes
    ),
    MiniSearch: yield* Setup.peerAnswer(
      "searchMinisearch.js",
      { ...job, configurations: [{ ...equal, processor: "plural", k: 1.2, b: 0.7, d: 0.5, fuzzy: 0.2 }] },
      PeerTimes
    )
  }
  return Object.entries(times)
})

export const run = Effect.fnUntraced(function* (
  name: string,
  wanted: number
): Effect.fn.Return<ReadonlyArray<Bench.Figure>, unknown, Scope.Scope> {
  yield* Setup.installPeers
  const products = yield* Catalogue.products
  // 20k are the products as they are.
  const count = wanted < 100_000 ? products.length : wanted
  const { settings } = yield* Bench.readTargets("search")
  const server = yield* EmbeddedPostgres.start({ durability: "production", settings })
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "hm-bench-search-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const cpuBefore = ofThread()
  const built = yield* seconds(
    Effect.sync(() =>
      Ours.build(
        Catalogue.settings,
        (function* () {
          for (let n = 0; n < count; n++) {
            yield Catalogue.documentOf(
              Catalogue.productAt(products, count, n),
              Catalogue.popularityAt(count, n)
            )
          }
        })()
      )
    )
  )
  const buildCpuSeconds = ofThread() - cpuBefore
  const buildRssMegabytes = process.memoryUsage().rss / 1e6
  const { summary } = built.result
  yield* Bench.say(
    `${name}: built ${count} products, ${summary.postingCount} postings, ${summary.termCount} terms in ${built.seconds.toFixed(1)} s`
  )
  const changes = count > comparedCountMax ? undefined : withChanges(products, built.result)
  return yield* Effect.gen(function* () {
    yield* Store.create
    const written = yield* seconds(Store.write(built.result))
    yield* Store.writeDocuments(count, (n) => Catalogue.productAt(products, count, n))
    yield* Store.settle
    const size = yield* Store.size
    const file = Path.join(folder, "job.json")
    writeFileSync(
      file,
      JSON.stringify({ summary, queries: Catalogue.queries(products), ids: products.map(({ id }) => id) })
    )
    const resident = yield* measure(Resident, server.url, file, "resident")
    yield* Bench.say(`${name}: resident ${JSON.stringify(resident)}`)
    const onDemand = yield* measure(OnDemand, server.url, file, "on-demand")
    yield* Bench.say(`${name}: on demand ${JSON.stringify(onDemand)}`)
    const peers = count > comparedCountMax ? [] : yield* peerTimes(products, count)
    const theirs = (of: (times: typeof PeerTimes.Type) => number) =>
      Object.fromEntries(peers.map(([peer, times]) => [peer, of(times)]))
    const figure = (
      text: string,
      unit: string,
      ours: number,
      peerFigures: Bench.Figure["peers"] = {}
    ): Bench.Figure => ({ figure: `${name}: ${text}`, unit, ours, peers: peerFigures })
    const latencies = (
      text: string,
      ours: typeof Latencies.Type,
      of: (q: number) => Bench.Figure["peers"] = () => ({})
    ) => [
      figure(`${text}, p50`, "ms", ours.p50, of(0.5)),
      figure(`${text}, p95`, "ms", ours.p95, of(0.95)),
      figure(`${text}, p99`, "ms", ours.p99, of(0.99))
    ]
    return [
      figure(
        "build and write",
        "s",
        built.seconds + written.seconds,
        theirs(({ indexSeconds }) => indexSeconds)
      ),
      figure("build", "products/s of processor time", count / buildCpuSeconds),
      figure("process that builds, with all rows", "MB", buildRssMegabytes),
      figure("postings in Postgres", "MB", size.postings / 1e6),
      figure("documents in Postgres", "MB", size.documents / 1e6),
      figure("columns and typing mistakes in Postgres", "MB", size.columns / 1e6),
      figure("load", "s", resident.loadSeconds),
      figure("segment", "MB", resident.segmentMegabytes),
      figure(
        "process that searches",
        "MB",
        resident.rssMegabytes,
        theirs(({ rssMegabytes }) => rssMegabytes)
      ),
      ...latencies("resident, typo, popularity", resident.plain.wall, (q) =>
        theirs(({ millis }) => Bench.quantile(millis, q))
      ),
      ...latencies("resident, typo, popularity, best of 5 rounds", resident.plain.best),
      ...latencies("resident, typo, popularity, 2 facets", resident.withFacets.wall),
      ...latencies("resident, typo, popularity, 2 facets, best of 5 rounds", resident.withFacets.best),
      ...latencies("resident, as you type, 2 facets", resident.typing.wall),
      figure("resident, 32 commonest words, 2 facets", "ms", resident.worst.wall.p50),
      figure("resident, 32 commonest words, 2 facets, best of 5 rounds", "ms", resident.worst.best.p50),
      figure("resident", "searches/s of processor time", resident.plain.perCpuSecond),
      figure("resident, 2 facets", "searches/s of processor time", resident.withFacets.perCpuSecond),
      ...latencies("on demand, nothing cached, page read", onDemand.wall),
      ...latencies("on demand, nothing cached, page read, best of 5 rounds", onDemand.best),
      figure("on demand, 32 commonest words", "ms", onDemand.worst),
      figure("on demand, 32 commonest words, best of 9", "ms", onDemand.worstBest),
      figure("process that searches on demand", "MB", onDemand.rssMegabytes),
      figure("queries that find nothing", "of 1,000", resident.nothingFound),
      figure("NDCG@10 of the same segment, copies left out", "of 1", resident.ndcg),
      ...(changes === undefined
        ? []
        : [
            figure("changes analysed and joined", "products/s of processor time", changes.perCpuSecond),
            figure("20,000 changes in memory", "MB", changes.megabytes),
            ...latencies("resident, 2 facets, with 20,000 changes", changes.timed.wall),
            ...latencies("resident, 2 facets, with 20,000 changes, best of 5 rounds", changes.timed.best)
          ])
    ]
  }).pipe(Effect.provide(Database.layer(TestDatabase.optionsOf(server.url), "hm-bench")))
})
