import { assert, describe, it } from "@effect/vitest"
import * as PrometheusText from "@hypermarket/testing/PrometheusText"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { makeKey, startApi } from "./apiProcess.ts"

/** The value of a series: its name with its labels, as they are written. */
const valueOf = (metrics: string, series: string): number | undefined => {
  const line = metrics.split("\n").find((text) => text.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

const layerDatabase = TestDatabase.layerDatabase()

describe("the metrics of the API", () => {
  it.live("show requests by group of routes, the process, its pool and its searches", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      const key = yield* makeKey(url, { tenant: "boots", scopes: ["search:admin", "events:read"] })
      const ask = (path: string, body?: unknown) =>
        Effect.promise(async () => {
          const response = await fetch(`${api.url}${path}`, {
            headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
            ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })
          })
          return { status: response.status, text: await response.text() }
        })
      assert.strictEqual((yield* ask("/v1/search/indexes", { indexName: "shoes" })).status, 201)
      for (const query of ["boot", "sandal", "clog"]) {
        assert.strictEqual((yield* ask("/v1/search/indexes/shoes/search", { query })).status, 200)
      }
      assert.strictEqual((yield* ask("/v1/search/indexes/hats/search", { query: "cap" })).status, 404)
      assert.strictEqual((yield* ask("/v1/events/queues")).status, 200)
      assert.strictEqual((yield* ask("/v1/unknown/metrics")).status, 404)
      const { text } = yield* ask("/metrics")
      // The index, three searches; a search of no index is of the group too.
      assert.strictEqual(valueOf(text, 'hm_api_requests_total{group="search",status="2xx"}'), 4)
      assert.strictEqual(valueOf(text, 'hm_api_requests_total{group="search",status="4xx"}'), 1)
      assert.strictEqual(valueOf(text, 'hm_api_requests_total{group="events",status="2xx"}'), 1)
      assert.strictEqual(valueOf(text, 'hm_api_requests_total{group="none",status="4xx"}'), 1)
      assert.strictEqual(valueOf(text, 'hm_api_request_duration_seconds_count{group="events"}'), 1)
      assert.strictEqual(valueOf(text, "hm_search_search_seconds_count"), 3)
      assert.strictEqual(valueOf(text, "hm_database_transactions_open"), 0)
      assert.strictEqual(valueOf(text, "hm_database_transactions_waiting"), 0)
      assert.match(text, /^hm_build_info\{[^}]*version="[^"]+"[^}]*\} 1$/m)
      for (const name of [
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "nodejs_heap_size_used_bytes",
        "nodejs_heap_size_total_bytes",
        "nodejs_eventloop_lag_p99_seconds",
        "nodejs_eventloop_lag_max_seconds"
      ]) {
        assert.isAbove(valueOf(text, name) ?? 0, 0, name)
      }
      assert.notInclude(text, "boots", "a tenant is no label")
      PrometheusText.check(text)
    }).pipe(Effect.scoped, Effect.provide(layerDatabase))
  )
})
