/** The services of search in the process of a run, on a server that it migrates. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const start = Effect.fnUntraced(function* (url: string, poolMax: number) {
  const options = { ...TestDatabase.optionsOf(url), poolMax }
  yield* Migrations.run([CoreDomain.migrations, SearchDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  return yield* Layer.build(SearchDomain.layer.pipe(Layer.provideMerge(Database.layer(options, "hm-soak"))))
})
