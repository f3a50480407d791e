import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { now } from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const migrations = Migrations.make(
  "shop",
  {
    "0001_order": Migrations.migration(
      [
        `CREATE TABLE shop_order (tenant_id text, order_id text, placed_at timestamptz, PRIMARY KEY (tenant_id, order_id))`
      ],
      { since: "1.0.0", oldestRelease: "1.0.0", locks: "none" }
    )
  },
  { release: "1.0.0" }
)

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([migrations], options.schema).pipe(Effect.provide(Database.layerDirect(options)))
)

/** The row and the event commit together; inside a caller's transaction both join it. */
const place = (orderId: string) =>
  Database.transaction(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox.Outbox
      const { id } = yield* Tenant
      const time = yield* now
      yield* sql`
        INSERT INTO shop_order (tenant_id, order_id, placed_at)
        VALUES (${id}, ${orderId}, ${time})
            ON CONFLICT (tenant_id, order_id) DO NOTHING
      `
      yield* outbox.publish([
        {
          id: orderId,
          source: "/shop",
          type: "com.example.order.placed.v1",
          subject: orderId,
          time,
          data: {}
        }
      ])
    })
  )

// This program has no domain that takes events. With @hypermarket/events, `Events.layerOutbox` fills the outbox.
await Effect.runPromise(
  Effect.andThen(
    migrate,
    place("o-1").pipe(provide(TenantId.make("acme")), Effect.provide(Database.layerConfig))
  )
)
