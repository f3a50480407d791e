/** A process that follows one tenant's row until it is at a revision, and prints the value that it then has. */
import * as Database from "@hypermarket/core/Database"
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import { Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Effect, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"

const acme = TenantId.make("acme")
const last = BigInt(process.argv[2] ?? "")

const row = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id } = yield* Tenant
  const [first] = yield* sql<{ readonly revision: bigint; readonly value: string }>`
    SELECT revision, value
      FROM live
     WHERE tenant_id = ${id}
  `
  return { revision: first?.revision ?? -1n, value: first?.value ?? "" }
})

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const config = yield* LiveConfig.make({
    channel: "test",
    revision: Effect.map(row, ({ revision }) => revision),
    read: () => Effect.map(row, ({ value }) => value),
    poll: "1 hour",
    tenantsMax: 10
  })
  yield* config.ready(acme)
  yield* sql`INSERT INTO live_process DEFAULT VALUES`
  yield* config.changes(acme).pipe(
    Stream.takeUntil((revision) => revision === last),
    Stream.runDrain
  )
  process.stdout.write(config.current(acme) ?? "")
})

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    Wakeup.layer(Database.listen(options)).pipe(
      Layer.provideMerge(Database.layer({ ...options, poolMax: 2 }, "hm-test-live"))
    )
  )
)

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(services)))
