/** Behaviour at the Promise door: the bounds of a signal's time, which are those of the HTTP endpoint. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { connect } from "@hypermarket/core/Promises"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const hourMillis = 3_600_000

layer(layerTestDatabase(CoreDomain.migrations, SearchDomain.domain.migrations), {
  excludeTestServices: true
})("behaviour.record", (it) => {
  it.effect(
    "refuses signals beyond the clock by their index, records none of the batch, and takes old ones",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const sql = yield* SqlClient.SqlClient
        const hm = yield* Effect.acquireRelease(
          Effect.promise(() => connect({ connectionString: url, domains: [SearchDomain], pool: { max: 2 } })),
          (all) => Effect.promise(() => all.close())
        )
        const { behaviour } = hm.tenant("kiosk")
        const now = yield* Now.now
        const cart = (id: string, hoursAhead: number) => ({
          id,
          kind: "cart" as const,
          userKey: "till-7",
          productId: "sku-88",
          at: new Date(now.getTime() + hoursAhead * hourMillis)
        })
        const refused = yield* Effect.promise(() =>
          behaviour.record("/kiosk", [cart("c-1", 0), cart("c-2", 26), cart("c-3", 9_000)]).then(
            () => assert.fail("it resolved"),
            (error: unknown) => error
          )
        )
        assert.deepInclude(refused, {
          _tag: "SignalsInvalid",
          errors: [1, 2].map((index) => ({
            path: [String(index), "at"],
            message: "Expected an instant at most 24 hours ahead of the clock"
          }))
        })
        assert.match(String(refused), /1\.at: Expected an instant/)
        assert.lengthOf(
          yield* sql`
            SELECT 1
              FROM hm_user_behavior_signal_key
             WHERE tenant_id = 'kiosk'
          `,
          0
        )
        // A shop imports its past.
        assert.deepStrictEqual(
          yield* Effect.promise(() =>
            behaviour.record("/kiosk", [cart("c-1", 22), cart("c-4", -11 * 365 * 24)])
          ),
          { recorded: 2, duplicates: 0, limited: 0 }
        )
      })
  )
})
