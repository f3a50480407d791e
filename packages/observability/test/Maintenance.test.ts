import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { SourceMaps } from "@hypermarket/observability/SourceMaps"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { createHash } from "node:crypto"
import { capture, envelopeOf, eventOf, layerServer, newEventId, post, projectOf } from "./errorServer.ts"
import { idOf, mapOf, upload, zipOf } from "./uploads.ts"

const tables = [
  "hm_error_event_key",
  "hm_error_hour",
  "hm_error_count",
  "hm_error_check_in",
  "hm_error_missing_map",
  "hm_error_source_map",
  "hm_error_bundle",
  "hm_error_chunk"
] as const

const rowsOf = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const counts = yield* Effect.forEach(tables, (table) =>
    Effect.map(
      sql`
        SELECT
          FROM ${sql(table)}
         WHERE tenant_id = ${tenant}
      `,
      (rows) => [table, rows.length] as const
    )
  )
  return Object.fromEntries(counts)
})

const run = Effect.fnUntraced(function* (name: string) {
  const { jobs } = yield* ObservabilityDomain.domain.start
  const job = jobs.find((candidate) => candidate.name === name)
  if (job === undefined) return yield* Effect.die(new Error("there is no job"))
  yield* job.run(null).pipe(provide(TenantId.make("none")))
})

/** Leaves a row in each of the tables. */
const fill = Effect.fnUntraced(function* (tenant: string) {
  const project = yield* projectOf(tenant)
  const debugId = idOf(1)
  const images = [{ type: "sourcemap", code_file: "https://shop.example/app.js", debug_id: debugId }]
  const frames = [{ function: "a", abs_path: "https://shop.example/app.js", lineno: 1, colno: 1 }]
  yield* capture(
    tenant,
    project,
    eventOf({
      event: {
        debug_meta: { images },
        exception: { values: [{ type: "Error", value: "x", stacktrace: { frames } }] }
      }
    })
  )
  const checkIn = { check_in_id: newEventId(), monitor_slug: "nightly", status: "ok" }
  yield* post(project, envelopeOf({}, [{ type: "check_in" }, checkIn]), { tenant })
  yield* upload(
    tenant,
    zipOf([{ name: "b.js.map", type: "source_map", debugId: idOf(2), content: mapOf("b.ts", 2) }])
  )
  yield* run("observability.source-map.work")
  const maps = yield* SourceMaps
  const payload = new TextEncoder().encode(tenant)
  const checksum = createHash("sha1").update(payload).digest("hex")
  yield* maps.store([{ checksum, payload }]).pipe(provide(TenantId.make(tenant)))
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Pruning", (it) => {
  it.effect(
    "what is older than it is kept is deleted from every table, more rows than one statement takes, and no other row",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const clock = yield* Now.TestNow
        yield* clock.adjust("-91 days")
        yield* fill("old")
        yield* sql`
        INSERT INTO hm_error_event_key (tenant_id, project_id, event_id, log_id, received_at)
        SELECT 'old', 1, gen_random_uuid(), gen_random_uuid(), ${yield* Now.now}
          FROM generate_series(1, 12000)
      `
        yield* clock.adjust("91 days")
        yield* fill("new")
        const kept = yield* rowsOf("new")
        for (const table of tables) assert.isAbove(kept[table] ?? 0, 0, table)
        yield* run("observability.event.prune")
        assert.deepStrictEqual(yield* rowsOf("old"), Object.fromEntries(tables.map((table) => [table, 0])))
        assert.deepStrictEqual(yield* rowsOf("new"), kept)
      }).pipe(Effect.provideService(AllTenants, { actor: "test" }))
  )
})
