/**
 * Relevance without tuning: ours with the defaults that are shipped, and the peers as their documentation suggests, on the
 * public set or on any judged set. Intervals are paired bootstraps over queries.
 *
 * A judged set is a folder, in HM_JUDGED: `products.ndjson` with `id`, `title` and, if there are any, `brand`, `description` and
 * `attributes` (a list of texts); `judgments.csv` with the columns `query,docid,rating`, from 0 to 3.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import * as Ours from "./Ours.ts"
import * as PlainPostgres from "./PlainPostgres.ts"
import * as Tuning from "./Tuning.ts"

const Rankings = Schema.Array(Schema.Array(Schema.Array(Schema.Int)))

/** https://lucaong.github.io/minisearch: a boosted title, `fuzzy: 0.2`, `prefix: true`, and its own BM25+. */
const minisearch: Tuning.Configuration = {
  processor: "plain",
  k: 1.2,
  b: 0.7,
  d: 0.5,
  fuzzy: 0.2,
  prefix: true,
  mode: "or",
  title: 2,
  brand: 1,
  description: 1,
  attributes: 1
}

/** https://sqlite.org/fts5.html: the porter tokenizer, and `bm25` with 10.0 for the first column and 5.0 for the second. */
const sqlite: Tuning.Configuration = {
  tokenizer: "porter unicode61",
  mode: "or",
  prefix: false,
  title: 10,
  brand: 5,
  description: 1,
  attributes: 1
}

const scoresOf = (
  products: ReadonlyArray<Catalogue.Product>,
  judged: ReadonlyArray<Catalogue.JudgedQuery>,
  ranked: ReadonlyArray<ReadonlyArray<number>>
) =>
  judged.map(({ ratings }, n) =>
    Tuning.ndcg(
      (ranked[n] ?? []).map((ordinal) => products[ordinal]?.id ?? ""),
      ratings
    )
  )

/** Compares the engines on judged queries. */
export const compare = Effect.fnUntraced(function* (
  products: ReadonlyArray<Catalogue.Product>,
  judged: ReadonlyArray<Catalogue.JudgedQuery>
) {
  const queries = judged.map(({ query }) => query)
  const documents = products.map(({ attributes, brand, description, title }) => ({
    title,
    brand,
    description,
    attributes: attributes.join(" ")
  }))
  const { stopWords } = Catalogue.settings.analyser
  const ask = (script: string, configuration: Tuning.Configuration) =>
    Effect.map(
      Setup.peerAnswer(script, { configurations: [configuration], documents, queries, stopWords }, Rankings),
      (rankings) => scoresOf(products, judged, rankings[0] ?? [])
    )
  const indexed = products.map((product) => Catalogue.documentOf(product, 0))
  const ours = scoresOf(products, judged, Ours.rankBuilt(Catalogue.settings, indexed, queries))
  const peers = {
    MiniSearch: yield* ask("searchMinisearch.js", minisearch),
    "SQLite FTS5": yield* ask("searchSqlite.js", sqlite),
    websearch_to_tsquery: scoresOf(products, judged, yield* PlainPostgres.rank(products, queries))
  }
  yield* Bench.say(`${judged.length} judged queries over ${products.length} products`)
  const figures: Array<Bench.Figure> = [
    {
      figure: "NDCG@10, as documented",
      unit: "of 1",
      ours: Tuning.mean(ours),
      peers: Object.fromEntries(Object.entries(peers).map(([name, scores]) => [name, Tuning.mean(scores)]))
    }
  ]
  for (const [name, scores] of Object.entries(peers)) {
    const { difference, high, low } = Tuning.compare(ours, scores)
    const interval = `${difference.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`
    yield* Bench.say(`ours - ${name}, as documented: ${interval}${low <= 0 && high >= 0 ? ", a tie" : ""}`)
    figures.push({
      figure: `NDCG@10, as documented, above ${name}`,
      unit: "of 1",
      ours: difference,
      peers: {}
    })
  }
  return figures
})

/** The comparison on the set in HM_JUDGED, or else on the public one. */
export const run = Effect.gen(function* () {
  yield* Setup.installPeers
  const folder = process.env.HM_JUDGED
  if (folder === undefined) return yield* compare(yield* Catalogue.products, yield* Catalogue.judgedQueries)
  return yield* compare(yield* Catalogue.productsIn(folder), yield* Catalogue.judgedIn(folder))
})
