import { assert, describe, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import * as FlagHandle from "@hypermarket/platform/FlagHandle"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Layer, Schedule } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { flagOf } from "./exportedFlags.ts"
import { keyOf, layerServerOn, post } from "./flagServer.ts"

const tenantId = TenantId.make("outage")
/** As long as it is promised in the full run, else until the answers have aged. */
const outageSeconds = process.env["HM_TEST_FLAGS"] === "full" ? 60 : 2

const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }

describe("While Postgres is stopped", () => {
  it.live(
    "evaluation goes on at the last revision over all protocols and in process, and everything else is answered 503",
    () =>
      Effect.gen(function* () {
        const database = yield* DatabaseOutage.shutDown
        const options = TestDatabase.optionsOf(database.server.url)
        yield* Migrations.run([CoreDomain.migrations, PlatformDomain.domain.migrations], "public").pipe(
          Effect.provide(Database.layerDirect(options))
        )
        const server = yield* Layer.build(layerServerOn(Database.layer(options, "hm-test").pipe(Layer.orDie)))
        yield* Effect.gen(function* () {
          const flags = yield* FeatureFlags
          yield* flags.create(flagOf("kept", on, { hashing: "unleash" })).pipe(provide(tenantId))
          const key = yield* keyOf(tenantId)
          const unread = yield* keyOf(tenantId)
          const handle = yield* FlagHandle.open({ environment: "live" }).pipe(provide(tenantId))
          const get = Effect.fnUntraced(function* (path: string, authorization: string) {
            const answer = yield* HttpClient.execute(
              HttpClientRequest.get(path).pipe(HttpClientRequest.setHeader("authorization", authorization))
            )
            return { status: answer.status, headers: answer.headers, text: yield* answer.text }
          })
          const evaluated = Effect.all([
            post("/ofrep/v1/evaluate/flags/kept", { context: {} }, { authorization: `Bearer ${key}` }),
            post(`/growthbook/api/eval/${key}`, { attributes: {} }, {}),
            get(`/growthbook/api/features/${key}`, ""),
            get("/unleash/api/client/features", key),
            get("/unleash/api/frontend", key)
          ])
          const before = yield* evaluated
          assert.deepStrictEqual(
            before.map(({ status }) => status),
            [200, 200, 200, 200, 200]
          )

          yield* database.leave
          const startedMillis = yield* Clock.currentTimeMillis
          const secondsOf = ({ headers }: (typeof before)[number]) => Number(headers["age"])
          const elapsed = Effect.map(Clock.currentTimeMillis, (millis) => (millis - startedMillis) / 1_000)
          const round = Effect.gen(function* () {
            // An answer is at least as old as the outage was when it was asked for.
            const atLeast = Math.floor(yield* elapsed)
            const during = yield* evaluated
            assert.deepStrictEqual(
              during.map(({ status, text }) => [status, text]),
              before.map(({ status, text }) => [status, text])
            )
            assert.isTrue(handle.boolean("kept", false))
            assert.isAtLeast(handle.ageMillis(), atLeast * 1_000)
            for (const answer of during) assert.isAtLeast(secondsOf(answer), atLeast)
            return yield* elapsed
          })
          yield* round.pipe(
            Effect.repeat({
              until: (seconds) => seconds >= outageSeconds,
              schedule: Schedule.spaced("200 millis")
            })
          )
          // A key that this process has never read, and a route that needs the database.
          const stranger = yield* post(
            "/ofrep/v1/evaluate/flags/kept",
            { context: {} },
            { authorization: `Bearer ${unread}` }
          )
          assert.strictEqual(stranger.status, 503)
          assert.strictEqual((yield* get("/v1/platform/flags", `Bearer ${key}`)).status, 503)

          yield* database.comeBack
          const backMillis = yield* Clock.currentTimeMillis
          const change = flags.get("kept").pipe(
            Effect.flatMap(({ version }) =>
              flags.setEnvironment("kept", "live", version, { ...on, otherwise: { variant: "off" } })
            ),
            provide(tenantId)
          )
          // Connections are made again.
          yield* change.pipe(Effect.retry(Schedule.spaced("100 millis")))
          yield* Effect.sync(() => handle.boolean("kept", true)).pipe(
            Effect.repeat({ until: (isOn) => !isOn, schedule: Schedule.spaced("20 millis") })
          )
          const after = yield* post("/growthbook/api/eval/" + key, { attributes: {} }, {}).pipe(
            Effect.repeat({
              until: ({ text }) => text.includes("false"),
              schedule: Schedule.spaced("50 millis")
            })
          )
          assert.strictEqual(after.status, 200)
          const currentMillis = (yield* Clock.currentTimeMillis) - backMillis
          yield* Effect.sync(() => handle.ageMillis()).pipe(
            Effect.repeat({ until: (millis) => millis < 5_000, schedule: Schedule.spaced("20 millis") })
          )
          process.stdout.write(
            `flags: ${outageSeconds} s of outage, changed and current ${currentMillis} ms after the return\n`
          )
        }).pipe(Effect.provide(server))
      }).pipe(Effect.scoped)
  )
})
