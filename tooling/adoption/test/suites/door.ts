/** A door over the domains, on a database of the test file. */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { connect, type ConnectOptions } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { Pool } from "pg"
import postgres from "postgres"

export const domains = [EventsDomain, SearchDomain, AnalyticsDomain, PlatformDomain] as const

const connectionsMax = 3

/** A database with the tables of all domains. */
export const layerDatabase = TestDatabase.layer(
  CoreDomain.migrations,
  ...domains.map(({ domain }) => domain.migrations)
)

export const url = Effect.map(TestDatabase.TestDatabase, (database) => database.url)

/** Opens a door that is closed with the scope. */
export const door = (options: Partial<ConnectOptions<typeof domains>> = {}) =>
  Effect.flatMap(url, (connectionString) =>
    Effect.acquireRelease(
      Effect.promise(() => connect({ connectionString, domains, pool: { max: 4 }, ...options })),
      (hm) => Effect.promise(() => hm.close())
    )
  )

export const pgPool = Effect.flatMap(url, (connectionString) =>
  Effect.acquireRelease(
    Effect.sync(() => new Pool({ connectionString, max: connectionsMax })),
    (pool) => Effect.promise(() => pool.end())
  )
)

export const postgresJsSql = Effect.flatMap(url, (connectionString) =>
  Effect.acquireRelease(
    Effect.sync(() => postgres(connectionString, { max: connectionsMax, onnotice: () => undefined })),
    (sql) => Effect.promise(() => sql.end())
  )
)

/** The error that a promise rejects with. */
export const rejection = async (promise: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("The promise was expected to reject")
}

/** Calls a method as a program without types does. */
export const untyped = (method: unknown, ...values: ReadonlyArray<unknown>): Promise<unknown> =>
  typeof method === "function" ? Reflect.apply(method, undefined, values) : Promise.resolve("no method")
