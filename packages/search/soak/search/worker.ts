/**
 * A process that builds versions and removes them, and is killed by the run.
 */
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import { AllTenants } from "@hypermarket/core/Tenant"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { environment, up } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

const pause = "50 millis"

const program = Effect.gen(function* () {
  const url = yield* Config.String(environment.url)
  const layer = SearchDomain.layer.pipe(
    Layer.provide(Database.layer(TestDatabase.optionsOf(url), "hm-soak-worker"))
  )
  const work = Effect.gen(function* () {
    const builds = yield* SearchBuilds
    const versions = yield* SearchIndexVersions
    yield* versions.startDue
    yield* builds.buildNext
    yield* builds.removeRetired
  }).pipe(
    // Postgres is away at times.
    Effect.catchCause((cause) => Effect.logWarning("Work failed; it is tried again", cause)),
    Effect.repeat(Schedule.spaced(pause))
  )
  const context = yield* Layer.build(layer).pipe(Effect.retry(Schedule.spaced(pause)))
  process.stdout.write(`${up}\n`)
  return yield* work.pipe(
    Effect.provideService(AllTenants, { actor: "soak" }),
    Effect.provideContext(context)
  )
})

Main.run(Effect.scoped(program))
