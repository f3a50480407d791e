/**
 * Postgres full text as a peer of `bench search`: a weighted tsvector, websearch_to_tsquery and ts_rank_cd, as the manual
 * shows them.
 */
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Database from "@hypermarket/core/Database"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Catalogue from "./Catalogue.ts"

/** Returns the ordinals of the first ten products of each query. */
export const rank = (products: ReadonlyArray<Catalogue.Product>, queries: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* EmbeddedPostgres.start({ durability: "production", settings: {} })
      return yield* Effect.provide(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE product (ord integer PRIMARY KEY, document tsvector NOT NULL)`
          yield* sql`
            INSERT INTO product
            SELECT ord::integer - 1,
                   setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', brand), 'B')
                   || setweight(to_tsvector('english', description), 'C')
                   || setweight(to_tsvector('english', attributes), 'D')
              FROM unnest(${products.map(({ title }) => title)}::text[], ${products.map(({ brand }) => brand)}::text[],
                          ${products.map(({ description }) => description)}::text[],
                          ${products.map(({ attributes }) => attributes.join(" "))}::text[])
                   WITH ORDINALITY AS input (title, brand, description, attributes, ord)`
          yield* sql`CREATE INDEX product_document ON product USING gin (document)`
          return yield* Effect.forEach(queries, (query) =>
            Effect.map(
              sql<{ readonly ord: number }>`
                SELECT ord
                  FROM product, websearch_to_tsquery('english', ${query}) AS query
                 WHERE document @@ query
                 ORDER BY ts_rank_cd(document, query) DESC, ord
                 LIMIT 10`,
              (rows) => rows.map(({ ord }) => ord)
            )
          )
        }),
        Database.layer(TestDatabase.optionsOf(server.url), "hm-bench")
      )
    })
  )
