/** The operations of the installation. */
import { assert, layer } from "@effect/vitest"
import * as Server from "@hypermarket/api/Server"
import * as Check from "@hypermarket/core/Check"
import * as Doctor from "@hypermarket/core/Doctor"
import { SystemApi } from "@hypermarket/core/SystemApi"
import * as SystemHttp from "@hypermarket/core/SystemHttp"
import { system } from "@hypermarket/core/Tenant"
import { domains, migrationSets } from "@hypermarket/installation/domains"
import * as Operations from "@hypermarket/installation/Operations"
import * as Startup from "@hypermarket/installation/Startup"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const settings = [...Startup.settings, ...Operations.settings, ...Server.settings]
const all = [...settings, ...domains.flatMap((domain) => domain.settings)]

/** The text that every setting has. One that shows it holds no secret. */
const marker = "marker-7f3a"
const password = "password-9c1e"
const address = `https://ann:${password}@${marker}.example/path?key=${password}`

/** Settings whose text is shown: those of this list hold no secret. A new one is looked at before it joins them. */
const shownAsText = [
  "HM_API_HOST",
  "HM_CONSOLE_FOLDER",
  "HM_NOTIFICATIONS_ALLOW",
  "HM_NOTIFICATIONS_DKIM_DOMAIN",
  "HM_NOTIFICATIONS_DKIM_SELECTOR",
  "HM_NOTIFICATIONS_FROM",
  "HM_NOTIFICATIONS_URL",
  "HM_OBSERVABILITY_SPOOL",
  "HM_QUOTAS_CRITICAL_ROUTES"
]

const isAsked = { failing: false }

const failing = Check.make(
  "of the test",
  Effect.sync(() => [{ status: isAsked.failing ? "fail" : "ok", message: "as asked", hint: "ask otherwise" }])
)

const serverOver = (environment: Readonly<Record<string, string>>) =>
  TestApi.layer(SystemApi, SystemHttp.layer).pipe(
    Layer.provide(Layer.succeed(SystemHttp.Installation, { domains, settings, checks: [failing] })),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

const marked = Object.fromEntries(all.map(({ name }) => [name, marker]))
const environment = ConfigProvider.layer(ConfigProvider.fromUnknown(marked))

const TestServer = serverOver(marked).pipe(Layer.provideMerge(TestDatabase.layer(...migrationSets)))

const Items = Schema.Struct({ items: Schema.Array(Schema.Record(Schema.String, Schema.Json)) })
const decodeItems = Schema.decodeUnknownEffect(Items)

const list = (path: string) =>
  Effect.gen(function* () {
    const answer = yield* TestApi.send("GET", path, { key: system })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    const { items } = yield* decodeItems(answer.body)
    return items
  })

layer(TestServer, { excludeTestServices: true })("The installation over HTTP", (it) => {
  it.effect("opens to the operator alone", () =>
    Effect.gen(function* () {
      for (const path of ["checks", "settings", "installation", "figures"]) {
        const answer = yield* TestApi.send("GET", `/v1/system/${path}`, { key: "acme" })
        assert.strictEqual(answer.status, 403, path)
      }
    })
  )

  it.effect("finds what doctor finds", () =>
    Effect.gen(function* () {
      const expected = yield* Effect.provide(Doctor.run([failing], domains), environment)
      const found = yield* list("/v1/system/checks")
      const names = (lines: ReadonlyArray<{ readonly [name: string]: unknown }>) =>
        lines.map(({ check, domain, status }) => `${domain}: ${check} ${status}`)
      assert.deepStrictEqual(names(found.slice(1)), names(expected.map((line) => ({ ...line }))))
      assert.deepInclude(found[0], { domain: "core", check: "schema", status: "ok", hint: null })
      isAsked.failing = true
      const failures = yield* list("/v1/system/checks?status=fail&domain=core")
      isAsked.failing = false
      for (const { domain, status } of failures) assert.deepStrictEqual([domain, status], ["core", "fail"])
      const asked = failures.find(({ check }) => check === "of the test")
      assert.deepInclude(asked, { message: "as asked", hint: "ask otherwise" })
      // Malformed secrets are reported, and no part of them is. The folder of the spool is no secret.
      const reported = found.filter(({ check }) => check !== "errors in the spool")
      assert.include(JSON.stringify(reported), "HM_SECRETS_KEYS is malformed")
      assert.notInclude(JSON.stringify(reported), marker)
    })
  )

  it.effect("shows of each setting its value, and of a secret only that it is set", () =>
    Effect.gen(function* () {
      const items = yield* list("/v1/system/settings")
      assert.sameMembers(
        items.map(({ name }) => name),
        all.map(({ name }) => name)
      )
      assert.sameMembers(
        items.filter((item) => JSON.stringify(item).includes(marker)).map(({ name }) => name),
        shownAsText,
        "a setting that holds no secret joins shownAsText; one that does is read by Config.Redacted"
      )
      for (const { isSet, name } of items) assert.isTrue(isSet, String(name))
      for (const { isSecret, name, value } of items) {
        if (!/(?:KEY|KEYS|SECRET|TOKEN|PASSWORD)$|^DATABASE_/.test(String(name))) continue
        assert.isTrue(isSecret, String(name))
        assert.isNull(value)
      }
    })
  )

  it.effect("shows no password within an address", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.gen(function* () {
        const answer = yield* TestApi.send("GET", "/v1/system/settings", { key: system })
        return JSON.stringify(answer.body)
      }).pipe(
        Effect.provide(Layer.fresh(serverOver(Object.fromEntries(all.map(({ name }) => [name, address])))))
      )
      assert.notInclude(answers, password)
      assert.include(answers, marker)
    })
  )

  it.effect("says what is in force where nothing is set", () =>
    Effect.gen(function* () {
      const items = yield* Effect.provide(
        list("/v1/system/settings"),
        Layer.fresh(serverOver({ HM_API_PORT: "9123" }))
      )
      const of = (name: string) => items.find((item) => item["name"] === name)
      assert.deepInclude(of("HM_API_PORT"), {
        domain: "process",
        isSet: true,
        default: "8080",
        value: "9123"
      })
      assert.deepInclude(of("HM_API_HOST"), { isSet: false, value: "127.0.0.1" })
      assert.deepInclude(of("HM_METRICS_TOKEN"), { isSet: false, value: null })
    })
  )

  it.effect("names the releases and the newest step of each domain", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { body } = yield* TestApi.send("GET", "/v1/system/installation", { key: system })
      const [row] = yield* sql<{ readonly release: string }>`
        SELECT split_part(version(), ' ', 2) AS release
      `
      assert.include(String(body["postgresRelease"]), row?.release ?? "none")
      assert.strictEqual(body["nodeRelease"], process.versions.node)
      const steps = JSON.stringify(body["domains"])
      for (const { migrations, name } of domains) {
        const newest = migrations.migrations.at(-1)
        assert.include(steps, `"domain":"${name}","migrations":${migrations.migrations.length}`)
        if (newest !== undefined)
          assert.include(steps, `${String(newest.id).padStart(4, "0")}_${newest.name}`)
      }
    })
  )
})
