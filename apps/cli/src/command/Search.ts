/** `hypermarket search`: how well an index answers. */
import { IndexName, products } from "@hypermarket/search/SearchIndex"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ApiClient from "../ApiClient.ts"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Rows from "../import/Rows.ts"
import * as Output from "../Output.ts"
import * as Progress from "../quickstart/Progress.ts"
import * as Relevance from "../Relevance.ts"

const ratingMax = 10

const Judgment = Schema.Struct({
  query: Schema.String.check(Schema.isMinLength(1)),
  id: Schema.String.check(Schema.isMinLength(1)),
  rating: Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: ratingMax }))
})

const decodeJudgment = Schema.decodeUnknownOption(Judgment)

/** A line that is no judgment ends the command: a figure over a part of them would be another figure. */
const readJudgments = Effect.fnUntraced(function* (file: string) {
  const { rows } = yield* Rows.open(file, "csv")
  const queries = new Map<string, Map<string, number>>()
  yield* rows.pipe(
    Stream.runForEach((row) => {
      if (row._tag === "Refused") return Effect.fail(failed(`${file}, line ${row.line}: ${row.message}`))
      const { docid, id, query, rating } = row.value
      const judgment = decodeJudgment({ query, id: id ?? docid, rating })
      if (Option.isNone(judgment)) {
        return Effect.fail(
          failed(
            `${file}, line ${row.line}: expected query, id (or docid) and a rating from 0 to ${ratingMax}`
          )
        )
      }
      const ratings = queries.get(judgment.value.query) ?? new Map<string, number>()
      queries.set(judgment.value.query, ratings.set(judgment.value.id, judgment.value.rating))
      return Effect.void
    })
  )
  return Array.from(queries, ([query, ratings]): Relevance.Judged => ({ query, ratings }))
})

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const textOf = (evaluation: Relevance.Evaluation): string =>
  [
    `NDCG@10 ${evaluation.ndcgAt10?.toFixed(4) ?? "of no query"} over ${evaluation.queriesWithRelevant} queries with a relevant document, of ${evaluation.queriesJudged}`,
    `${percent(evaluation.zeroResultRate)} of the queries find nothing` +
      (evaluation.zeroResultQueries.length === 0 ? "" : `: ${evaluation.zeroResultQueries.join(", ")}`),
    ...(evaluation.losers.length === 0
      ? []
      : [
          "",
          Output.columns([
            ["NDCG@10", "FOUND", "QUERY", "FIRST (RATING)"],
            ...evaluation.losers.map(({ first, found, ndcg, query }) => [
              ndcg?.toFixed(3) ?? "",
              String(found),
              query,
              first === null ? "nothing" : `${first.id} (${first.rating ?? "not judged"})`
            ])
          ])
        ])
  ].join("\n")

const searchesInFlight = 4

const evaluate = Command.make(
  "evaluate",
  {
    file: Argument.String("judgments").pipe(
      Argument.withDescription("CSV with the columns query, id (or docid) and rating, 0 for irrelevant")
    ),
    index: Flag.String("index").pipe(
      Flag.withDescription("The index to evaluate"),
      Flag.withSchema(IndexName),
      Flag.withDefault(products)
    ),
    losers: Flag.Int("losers").pipe(
      Flag.withDescription("How many of the worst queries are listed"),
      Flag.withDefault(10)
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ file, index, json, losers }) {
      const call = ApiClient.make(yield* ApiClient.fromEnvironment)
      const progress = yield* Progress.Progress
      const judged = yield* readJudgments(file)
      let done = 0
      const evaluated = yield* Effect.forEach(
        judged,
        (one) =>
          call(({ search }, options) =>
            search.search({ indexName: index, body: { query: one.query, limit: 10, retrieve: [] } }, options)
          ).pipe(
            ApiClient.orCommandFailed(`Searching for ${one.query}`),
            Effect.map(({ found, hits }) =>
              Relevance.evaluate(
                one,
                hits.map(({ id }) => id),
                found
              )
            ),
            Effect.tap(() => progress.bar("Searching", ++done, judged.length))
          ),
        { concurrency: searchesInFlight }
      )
      yield* progress.done
      const evaluation = Relevance.summarise(evaluated, losers)
      yield* json ? Output.json(evaluation) : Console.log(textOf(evaluation))
    },
    Effect.provide(Progress.layer),
    orCommandFailed
  )
).pipe(Command.withDescription("NDCG@10, queries without results and the worst queries, by judged queries"))

export const command = Command.make("search").pipe(
  Command.withDescription("The search of the installation behind HM_API_URL"),
  Command.withSubcommands([evaluate])
)
