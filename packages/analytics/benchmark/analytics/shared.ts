/** Databases and clients that the parts of `pnpm bench analytics` share. */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import type * as Bench from "@hypermarket/bench/Bench"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { TenantId } from "@hypermarket/core/Tenant"
import type * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import type * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Dataset from "./dataset.ts"
export type Figures = ReadonlyArray<Bench.Figure>

export const figure = (
  name: string,
  unit: string,
  ours: number,
  peers: Bench.Figure["peers"] = {}
): Bench.Figure => ({
  figure: name,
  unit,
  ours,
  peers
})

export const clients = 8
export const always = ["1970-01-01", "2100-01-01"] as const

const optionsOf = (server: EmbeddedPostgres.Server, name: string) => {
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return {
    ...TestDatabase.optionsOf(url.toString()),
    poolMax: clients + 2,
    statementTimeout: Duration.minutes(10)
  }
}

/** The services over a separate pool: without `fresh` those of the first pool would be taken for the second, too. */
export const connect = (server: EmbeddedPostgres.Server, name: string) =>
  Layer.build(
    Layer.fresh(
      AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layer(optionsOf(server, name), "hm-bench")))
    )
  )

/** {@link connect} to a new, migrated database. */
export const database = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, name: string) {
  const direct = (options: Database.Options) => Effect.provide(Database.layerDirect(options, "hm-bench"))
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE DATABASE ${sql(name)}`).pipe(
    direct(TestDatabase.optionsOf(server.url))
  )
  const sets = [CoreDomain.migrations, AnalyticsDomain.domain.migrations]
  yield* Migrations.run(sets, "public").pipe(direct(optionsOf(server, name)))
  return yield* connect(server, name)
})

export const tenantOf = (dice: OrderMix.Random): TenantId =>
  TenantId.make(dice.next() < 0.25 ? Dataset.largest : `t${dice.below(9)}`)

export const timed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const startedAt = performance.now()
    return Effect.map(self, (value) => ({ value, millis: performance.now() - startedAt }))
  })
