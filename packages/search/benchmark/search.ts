/**
 * `bench search`: relevance on judged queries beside SQLite FTS5, MiniSearch and websearch_to_tsquery, all tuned alike;
 * build, load, latency, memory and size of catalogues of 20k, 100k and 1M products; and the service itself, over HTTP. Each
 * is a part.
 */
import type * as Bench from "@hypermarket/bench/Bench"
import * as Effect from "effect/Effect"
import * as Documented from "./search/Documented.ts"
import * as Relevance from "./search/Relevance.ts"
import * as Service from "./search/Service.ts"
import * as Speed from "./search/Speed.ts"

const sizes = Object.entries({ "20k": 20_000, "100k": 100_000, "1M": 1_000_000 })

export const bench: Bench.Bench = {
  run: ({ only, scale }: Bench.Options) =>
    Effect.gen(function* () {
      const isWanted = (part: string) => only.length === 0 || only.includes(part)
      const relevance = isWanted("relevance") ? yield* Relevance.run : []
      const documented = only.includes("documented") ? yield* Documented.run : []
      const speed = yield* Effect.forEach(
        sizes.filter(([name]) => isWanted(name)),
        ([name, size]) => Effect.scoped(Speed.run(name, Math.round(size * scale)))
      )
      const service = isWanted("service") ? yield* Effect.scoped(Service.run(scale)) : []
      return [...relevance, ...documented, ...speed.flat(), ...service]
    })
}
