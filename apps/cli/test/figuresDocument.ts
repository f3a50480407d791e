/** The document of `quickstart --json`, with the figures that are the same in every run. */
import { Schema } from "effect"

const Amounts = Schema.Record(Schema.String, Schema.String)

export const Mails = Schema.Array(
  Schema.Struct({ id: Schema.String, at: Schema.String, to: Schema.String, subject: Schema.String })
)

/** Not that of the README: the rules must not fit one seed. */
export const plantedSeed = 271

export const Document = Schema.Struct({
  databaseUrl: Schema.String,
  apiUrl: Schema.String,
  tables: Schema.Array(Schema.Struct({ name: Schema.String, rows: Schema.Int })),
  domains: Schema.Struct({
    risk: Schema.Struct({
      seed: Schema.Literal(plantedSeed),
      good: Schema.Literal(24),
      goodStopped: Schema.Literal(0),
      "card testing": Schema.Literal("block, block, block"),
      "account take-over": Schema.Literal("hold"),
      "refund abuse": Schema.Literal("review")
    }),
    observability: Schema.Struct({
      events: Schema.Int,
      users: Schema.Int,
      issues: Schema.Array(
        Schema.Struct({
          title: Schema.String,
          status: Schema.String,
          events: Schema.Int,
          users: Schema.Int,
          regressed: Schema.Boolean
        })
      )
    }),
    notifications: Schema.Struct({
      explained: Schema.Array(
        Schema.Struct({ message: Schema.String, state: Schema.String, reason: Schema.NullOr(Schema.String) })
      ),
      derived: Schema.Json,
      newestOrders: Schema.Json,
      oldestOrder: Schema.Literal("freshness"),
      secondTenant: Schema.Json
    }),
    platform: Schema.Struct({
      tenant: Schema.Literal("demo"),
      plan: Schema.Literal("standard"),
      status: Schema.Literal("active"),
      withoutKey: Schema.Literal(401),
      flags: Schema.Json,
      policy: Schema.Json,
      audit: Schema.Json
    }),
    events: Schema.Struct({
      facts: Schema.Record(Schema.String, Schema.Int),
      ordersHandled: Schema.Int,
      customersWithOrders: Schema.Int,
      topCustomers: Schema.Array(Schema.Struct({ customerId: Schema.String, orders: Schema.Int }))
    }),
    webhooks: Schema.Struct({
      type: Schema.Literal("com.example.order.packed"),
      verified: Schema.Literal(2),
      answers: Schema.Tuple([Schema.Literal(503), Schema.Literal(204)]),
      ids: Schema.Literal(1)
    }),
    workflows: Schema.Struct({
      steps: Schema.Tuple([
        Schema.Literal("reserve"),
        Schema.Literal("charge"),
        Schema.Literal("paid"),
        Schema.Literal("ship")
      ]),
      workers: Schema.Literal(2),
      undone: Schema.Tuple([
        Schema.Literal("reserve"),
        Schema.Literal("charge"),
        Schema.Literal("refund"),
        Schema.Literal("release")
      ])
    }),
    search: Schema.Struct({
      searches: Schema.Int,
      searchesWithoutHit: Schema.Int,
      searchesClicked: Schema.Int,
      searchMillis: Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite }),
      products: Schema.Int,
      indexEqualsCatalogue: Schema.Literal(true),
      copiers: Schema.Struct({ found: Schema.Int, first: Schema.String }),
      misspelt: Schema.Struct({ found: Schema.Int, first: Schema.String, how: Schema.Literal("typo") }),
      chairs: Schema.Struct({
        found: Schema.Int,
        first: Schema.String,
        categories: Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))
      }),
      gatesPassed: Schema.Int,
      versionsThatAnswered: Schema.Literal(2)
    }),
    analytics: Schema.Struct({
      closedMonth: Schema.Literal("2014-01-01"),
      netByYear: Amounts,
      netByRegion: Amounts,
      netByCategory: Amounts
    }),
    quotas: Schema.Struct({
      ordersQuota: Schema.Literal(6_000),
      ordersUsed: Schema.Int,
      ordersRemaining: Schema.Int,
      checksAllowed: Schema.Literal(5),
      checksDenied: Schema.Literal(3),
      requestsAnswered: Schema.Literal(5),
      requestsRefused: Schema.Literal(3),
      softLimitEvents: Schema.Tuple([Schema.Literal("com.hypermarket.quotas.threshold.reached.v1")])
    }),
    experiments: Schema.Struct({
      units: Schema.Array(Schema.Int),
      buyers: Schema.Array(Schema.Int),
      lift: Schema.Finite,
      low: Schema.Finite,
      high: Schema.Finite,
      outcome: Schema.Literal("ship")
    })
  })
})

/** A line of the replay's journal. */
export const JournalLine = Schema.fromJsonString(
  Schema.Struct({
    orderId: Schema.String,
    found: Schema.Int,
    position: Schema.NullOr(Schema.Int),
    millis: Schema.Finite
  })
)
