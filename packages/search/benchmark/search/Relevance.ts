/**
 * Relevance on the judged queries of the Chorus data set, ours and the peers', each tuned by the procedure of
 * `Tuning.ts`. Differences below 0.02 are ties: 61 queries cannot tell more.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import * as Documented from "./Documented.ts"
import * as Ours from "./Ours.ts"
import * as PlainPostgres from "./PlainPostgres.ts"
import * as Tuning from "./Tuning.ts"

type Rankings = ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>

interface Engine {
  readonly name: string
  readonly space: Tuning.Space
  readonly defaults: Tuning.Configuration
  readonly rank: (configurations: ReadonlyArray<Tuning.Configuration>) => Effect.Effect<Rankings, unknown>
}

interface Scored {
  readonly name: string
  /** Before any tuning. */
  readonly untuned: number
  /** Cross-validated, by query. */
  readonly scores: ReadonlyArray<number>
  readonly bySeed: ReadonlyArray<number>
}

const weights = [0.25, 0.5, 1, 2, 4, 8]

const sqliteSpace: Tuning.Space = {
  tokenizer: [
    "unicode61",
    "porter unicode61",
    "unicode61 tokenchars '-./'",
    "porter unicode61 tokenchars '-./'"
  ],
  title: weights,
  brand: weights,
  description: weights,
  attributes: weights,
  mode: ["or", "and-or"],
  prefix: [false, true]
}

const minisearchSpace: Tuning.Space = {
  processor: ["plain", "plural", "plural"],
  title: weights,
  brand: weights,
  description: weights,
  attributes: weights,
  k: [0.6, 1.2, 2],
  b: [0.3, 0.5, 0.7, 0.9],
  d: [0.2, 0.5, 1],
  fuzzy: [0, 0, 0.1, 0.2],
  prefix: [false, true],
  mode: ["or", "and-or"]
}

const RankingsJson = Schema.Array(Schema.Array(Schema.Array(Schema.Int)))

const enginesOf = (
  products: ReadonlyArray<Catalogue.Product>,
  judged: ReadonlyArray<Catalogue.JudgedQuery>
): ReadonlyArray<Engine> => {
  const queries = judged.map(({ query }) => query)
  const documents = products.map(({ attributes, brand, description, title }) => ({
    title,
    brand,
    description,
    attributes: attributes.join(" ")
  }))
  const indexed = products.map((product) => Catalogue.documentOf(product, 0))
  const { stopWords } = Catalogue.settings.analyser
  const equal = { title: 1, brand: 1, description: 1, attributes: 1, mode: "or", prefix: false }
  return [
    {
      name: "ours",
      space: Ours.space,
      defaults: {
        stemming: "plural",
        units: true,
        brand: 0.25,
        description: 0.3,
        attributes: 0.15,
        titleB: 0.4,
        brandB: 0.75,
        descriptionB: 0.6,
        attributesB: 0.9,
        k1: 0.6
      },
      rank: (configurations) => Effect.sync(() => Ours.rank(configurations, indexed, queries))
    },
    {
      name: "SQLite FTS5",
      space: sqliteSpace,
      defaults: { tokenizer: "unicode61", ...equal },
      rank: (configurations) =>
        Setup.peerAnswer("searchSqlite.js", { configurations, documents, queries }, RankingsJson)
    },
    {
      name: "MiniSearch",
      space: minisearchSpace,
      defaults: { processor: "plain", k: 1.2, b: 0.7, d: 0.5, fuzzy: 0, ...equal },
      rank: (configurations) =>
        Setup.peerAnswer(
          "searchMinisearch.js",
          { configurations, documents, queries, stopWords },
          RankingsJson
        )
    }
  ]
}

class RankingsDiffer extends Schema.TaggedError<RankingsDiffer>()("RankingsDiffer", {
  message: Schema.String
}) {}

const score = Effect.fnUntraced(function* (
  engine: Engine,
  products: ReadonlyArray<Catalogue.Product>,
  judged: ReadonlyArray<Catalogue.JudgedQuery>
) {
  const bySeed = Tuning.seeds.map((seed) => Tuning.draw(engine.space, seed))
  const rankings = yield* engine.rank([engine.defaults, ...bySeed.flat()])
  const scores = rankings.map((ofConfiguration) =>
    ofConfiguration.map((ordinals, n) =>
      Tuning.ndcg(
        ordinals.map((ordinal) => products[ordinal]?.id ?? ""),
        judged[n]?.ratings ?? new Map()
      )
    )
  )
  const validated = Tuning.seeds.map((seed, n) => {
    const first = 1 + n * Tuning.drawsPerSeed
    return Tuning.crossValidate(scores.slice(first, first + Tuning.drawsPerSeed), seed)
  })
  if (engine.name === "ours") {
    const chosen = validated.flatMap((one, n) =>
      [...one.chosen].map((at) => 1 + n * Tuning.drawsPerSeed + at)
    )
    const configurations = [engine.defaults, ...bySeed.flat()]
    const documents = products.map((product) => Catalogue.documentOf(product, 0))
    const queries = judged.map(({ query }) => query)
    for (const at of new Set([0, ...chosen])) {
      const built = Ours.rankBuilt(Ours.settingsOf(configurations[at] ?? engine.defaults), documents, queries)
      if (JSON.stringify(built) !== JSON.stringify(rankings[at])) {
        return yield* new RankingsDiffer({ message: `configuration ${at} ranks otherwise when it is built` })
      }
    }
    yield* Bench.say(`ours: ${new Set(chosen).size} chosen configurations rank alike when built`)
  }
  const scored: Scored = {
    name: engine.name,
    untuned: Tuning.mean(scores[0] ?? []),
    scores: judged.map((_, query) => Tuning.mean(validated.map((one) => one.scores[query] ?? 0))),
    bySeed: validated.map((one) => Tuning.mean(one.scores))
  }
  yield* Bench.say(
    `${scored.name}: tuned ${Tuning.mean(scored.scores).toFixed(4)} (${scored.bySeed.map((one) => one.toFixed(3)).join(" / ")}), untuned ${scored.untuned.toFixed(4)}`
  )
  return scored
})

export const run = Effect.gen(function* () {
  yield* Setup.installPeers
  const products = yield* Catalogue.products
  const judged = yield* Catalogue.judgedQueries
  const scored = yield* Effect.forEach(enginesOf(products, judged), (engine) =>
    score(engine, products, judged)
  )
  const rankedByPostgres = yield* PlainPostgres.rank(
    products,
    judged.map(({ query }) => query)
  )
  const plain = Tuning.mean(
    judged.map(({ ratings }, n) =>
      Tuning.ndcg(
        (rankedByPostgres[n] ?? []).map((ordinal) => products[ordinal]?.id ?? ""),
        ratings
      )
    )
  )
  yield* Bench.say(`websearch_to_tsquery: ${plain.toFixed(4)}`)
  const [ours, ...peers] = scored
  if (ours === undefined) return []
  const figures: Array<Bench.Figure> = [
    {
      figure: "NDCG@10, cross-validated",
      unit: "of 1",
      ours: Tuning.mean(ours.scores),
      peers: {
        ...Object.fromEntries(peers.map(({ name, scores }) => [name, Tuning.mean(scores)])),
        websearch_to_tsquery: plain
      }
    },
    {
      figure: "NDCG@10, untuned",
      unit: "of 1",
      ours: ours.untuned,
      peers: Object.fromEntries(peers.map(({ name, untuned }) => [name, untuned]))
    }
  ]
  for (const { name, scores } of peers) {
    const { difference, high, low } = Tuning.compare(ours.scores, scores)
    yield* Bench.say(
      `ours - ${name}: ${difference.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]${Math.abs(difference) < 0.02 ? ", a tie" : ""}`
    )
    figures.push({ figure: `NDCG@10, above ${name}`, unit: "of 1", ours: difference, peers: {} })
  }
  return [...figures, ...(yield* Documented.compare(products, judged))]
})
