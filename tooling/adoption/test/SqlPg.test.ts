import { PgClient } from "@effect/sql-pg"
import * as Database from "@hypermarket/core/Database"
import { suite } from "./suites/driverSuite.ts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Option } from "effect"

// The driver that the packages use anyway, from the outside: the drivers proper need an installation of their own.
suite("@effect/sql-pg", (url) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Database.layer(TestDatabase.optionsOf(url), "hm-adopter"))
    const client = Context.get(context, PgClient.PgClient)
    return {
      forgivesBySavepoint: true,
      namesConstraints: true,
      transaction: (body) =>
        Effect.runPromise(
          client.withTransaction(
            Effect.flatMap(Effect.serviceOption(client.transactionService), (transaction) => {
              const [connection] = Option.getOrThrow(transaction)
              return Effect.tryPromise({
                try: () =>
                  body((text, values) => Effect.runPromise(connection.execute(text, values, undefined))),
                catch: (error) => error
              })
            })
          )
        ),
      outside: (text, values) => Effect.runPromise(client.unsafe(text, values))
    }
  })
)
