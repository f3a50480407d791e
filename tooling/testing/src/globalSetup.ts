/**
 * One throw-away Postgres for a vitest run that was not given one by `HM_TEST_DATABASE_URL`.
 */
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

export default async function setup(): Promise<() => Promise<void>> {
  if (process.env.HM_TEST_DATABASE_URL !== undefined) return async () => undefined
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    EmbeddedPostgres.start({ durability: "fast" }).pipe(Scope.provide(scope))
  )
  process.env.HM_TEST_DATABASE_URL = server.url
  return async () => {
    delete process.env.HM_TEST_DATABASE_URL
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
