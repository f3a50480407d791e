import { assert, describe, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as ErrorReports from "@hypermarket/observability/ErrorReports"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { SourceMapWork } from "@hypermarket/observability/SourceMapWork"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Cause, Effect, Layer, Logger, Schedule, type Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import * as SqlClient from "effect/sql/SqlClient"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { inspect } from "node:util"
import { zstdDecompressSync } from "node:zlib"
import { envelopeOf, issuesOf, layerServerOn, newEventId, post, projectOf } from "./errorServer.ts"
import { idOf, mapOf, upload, zipOf } from "./uploads.ts"

type Json = Readonly<Record<string, Schema.Json>>

const places = ["header", "cookie", "breadcrumb", "variable", "url", "message", "everywhere"] as const

/** One secret per place, and one that only a header names and that recurs everywhere. Of this run alone. */
const secretsOf = (run: string) =>
  Object.fromEntries(places.map((place, index) => [place, `q7Zx-${run}-${index}f+9w.${place}`])) as Readonly<
    Record<(typeof places)[number], string>
  >

type Secrets = ReturnType<typeof secretsOf>

const eventOf = (secrets: Secrets, debugId?: string): Json => {
  const { breadcrumb, cookie, everywhere, header, message, url, variable } = secrets
  const inUrl = encodeURIComponent(url)
  return {
    event_id: newEventId(),
    platform: "javascript",
    transaction: `GET /reset/${everywhere}`,
    logentry: { message: "Login of %s", formatted: `Login of ${everywhere}`, params: [everywhere] },
    exception: {
      values: [
        {
          type: "LoginError",
          value: `Cannot log in with password=${message} after ${everywhere}`,
          stacktrace: {
            frames: [
              {
                function: `login ${everywhere}`,
                abs_path: "https://shop.example/app.js",
                filename: "app.js",
                lineno: 2,
                colno: 1,
                in_app: true,
                context_line: `const token = "${variable}"`,
                vars: {
                  apiKey: variable,
                  plain: everywhere,
                  body: JSON.stringify({ user: "ann", nested: JSON.stringify({ password: variable }) }),
                  list: [{ name: "authorization", value: `Bearer ${variable}` }]
                }
              }
            ]
          }
        }
      ]
    },
    request: {
      url: `https://ann:${inUrl}@shop.example/login?access_token=${inUrl}&page=2#id_token=${inUrl}`,
      query_string: [
        ["token", url],
        ["next", `/a?api_key=${inUrl}`]
      ],
      headers: {
        Authorization: `Bearer ${header}`,
        "X-Api-Key": everywhere,
        Referer: `https://shop.example/?secret=${inUrl}`
      },
      cookies: `theme=dark; session=${cookie}; csrftoken=${cookie}`,
      data: `user=ann&password=${inUrl}`,
      env: { HTTP_COOKIE: `sid=${cookie}` }
    },
    breadcrumbs: [
      { category: "fetch", data: { url: `https://pay.example/?sig=1&token=${breadcrumb}` } },
      { category: "console", message: `logged in, password: "${breadcrumb}", id ${everywhere}` }
    ],
    tags: { order_id: "o-17", trace: everywhere },
    extra: { note: `retry with ${everywhere}`, deep: { deeper: [{ password: { first: message } }] } },
    contexts: { state: { value: { jwt: header, free: everywhere } } },
    user: { id: "ann", data: { iban: message } },
    fingerprint: ["login", everywhere],
    release: "shop@2.0.0",
    ...(debugId === undefined
      ? {}
      : {
          debug_meta: {
            images: [{ type: "sourcemap", code_file: "https://shop.example/app.js", debug_id: debugId }]
          }
        })
  }
}

const envelope = (secrets: Secrets, debugId?: string) => {
  const event = eventOf(secrets, debugId)
  const { everywhere, header } = secrets
  return envelopeOf(
    { event_id: event["event_id"] ?? "", trace: { public_key: "x", transaction: `/reset/${everywhere}` } },
    [{ type: "event" }, event],
    [
      { type: "attachment", filename: `log of ${everywhere}.txt` },
      `Authorization: Bearer ${header} then ${everywhere}`
    ],
    [
      { type: "feedback" },
      { contexts: { feedback: { message: `I typed ${everywhere}`, contact_email: "a@b.example" } } }
    ],
    [{ type: "check_in" }, { check_in_id: newEventId(), monitor_slug: `nightly ${everywhere}`, status: "ok" }]
  )
}

/** Texts that would show a secret. */
const needlesOf = (secrets: Secrets): ReadonlyArray<string> =>
  Object.values(secrets).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64").slice(0, -4)
  ])

const unpacked = (bytes: Uint8Array): string => {
  try {
    return zstdDecompressSync(bytes).toString("utf8")
  } catch {
    return Buffer.from(bytes).toString("latin1")
  }
}

/** Every value of every table, compressed ones as they were before. */
const everyTable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT c.oid::regclass::text AS name
      FROM pg_class c
     WHERE c.relkind = 'r'
       AND c.relnamespace = 'public'::regnamespace
  `
  const texts = yield* Effect.forEach(tables, ({ name }) =>
    Effect.map(sql<Readonly<Record<string, unknown>>>`SELECT * FROM ${sql.literal(name)}`, (rows) =>
      rows.map((row) => ({
        name,
        text: Object.values(row)
          .map((value) =>
            value instanceof Uint8Array
              ? unpacked(value)
              : inspect(value, { depth: 20, maxStringLength: null })
          )
          .join("\n")
      }))
    )
  )
  return texts.flat()
})

/** The records of the spool, compressed parts as they were before. */
const everyFile = (folder: string) =>
  Fs.readdirSync(folder).map((name) => {
    const raw = Fs.readFileSync(Path.join(folder, name)).toString("latin1")
    const parts = Array.from(raw.matchAll(/"base64":"([^"]+)"/g), ([, text = ""]) =>
      unpacked(Buffer.from(text, "base64"))
    )
    return { name, text: [raw, ...parts].join("\n") }
  })

const answersOf = Effect.fnUntraced(function* (tenant: string, projectId: number) {
  const get = (path: string) =>
    HttpClientRequest.get(path).pipe(
      HttpClientRequest.bearerToken(tenant),
      HttpClient.execute,
      Effect.flatMap((response) =>
        Effect.map(response.text, (text) => ({ name: path, status: response.status, text }))
      )
    )
  const answers = [
    yield* get("/v1/observability/issues"),
    yield* get(`/v1/observability/projects/${projectId}/counts`),
    yield* get(`/v1/observability/projects/${projectId}/releases`),
    yield* get(`/v1/observability/projects/${projectId}/monitors`)
  ]
  for (const { issueId } of yield* issuesOf(tenant)) {
    answers.push(
      yield* get(`/v1/observability/issues/${issueId}`),
      yield* get(`/v1/observability/issues/${issueId}/summary`)
    )
    const listed = yield* get(`/v1/observability/issues/${issueId}/events`)
    answers.push(listed)
    for (const [, eventId = ""] of listed.text.matchAll(/"eventId":"([^"]+)"/g)) {
      answers.push(yield* get(`/v1/observability/projects/${projectId}/events/${eventId}`))
    }
  }
  for (const { name, status } of answers) assert.strictEqual(status, 200, name)
  return answers
})

const noneIn = (secrets: Secrets, texts: ReadonlyArray<{ readonly name: string; readonly text: string }>) => {
  const needles = needlesOf(secrets)
  const found = texts.flatMap(({ name, text }) =>
    needles
      .filter((needle) => text.includes(needle))
      .map(
        (needle) =>
          `${name}: ${text.slice(Math.max(0, text.indexOf(needle) - 60), text.indexOf(needle) + 60)}`
      )
  )
  assert.deepStrictEqual(found, [])
}

describe("A secret in header, cookie, breadcrumb, frame variable, URL and message", () => {
  it.live("is in no table, spool, log or answer", () =>
    Effect.gen(function* () {
      const database = yield* DatabaseOutage.shutDown
      const options = TestDatabase.optionsOf(database.server.url)
      yield* Migrations.run([CoreDomain.migrations, ObservabilityDomain.domain.migrations], "public").pipe(
        Effect.provide(Database.layerDirect(options))
      )
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-secrets-"))),
        (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
      )
      const log: Array<{ readonly name: string; readonly text: string }> = []
      const collecting = Logger.layer([
        Logger.make<unknown, void>(({ cause, fiber, message }) => {
          log.push({
            name: "log",
            text: inspect([message, Cause.pretty(cause), fiber.context], { depth: 8, maxStringLength: null })
          })
        })
      ])
      const connected = Database.layer(options, "hm-test").pipe(Layer.orDie)
      const context = yield* Layer.build(
        ErrorReports.layerSystem({}).pipe(
          Layer.provideMerge(layerServerOn(connected, { spool: folder })),
          Layer.provideMerge(collecting)
        )
      )
      const secrets = secretsOf(Math.random().toString(36).slice(2, 8))
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const project = yield* projectOf("acme")
        const sent = Effect.fnUntraced(function* (
          body: string,
          route: "envelope" | "store" | "security" = "envelope"
        ) {
          const answer = yield* post(project, body, { tenant: "acme", route })
          noneIn(secrets, [{ name: "answer", text: answer.text + JSON.stringify(answer.headers) }])
          return answer.status
        })
        assert.strictEqual(yield* sent(envelope(secrets)), 200)
        assert.strictEqual(yield* sent(JSON.stringify(eventOf(secrets)), "store"), 200)
        const report = {
          "csp-report": {
            "document-uri": `https://shop.example/?token=${encodeURIComponent(secrets.url)}`,
            "effective-directive": "script-src",
            "blocked-uri": `https://ann:${encodeURIComponent(secrets.url)}@evil.example/a.js`,
            "script-sample": `password = "${secrets.message}"`
          }
        }
        assert.strictEqual(yield* sent(JSON.stringify(report), "security"), 200)
        assert.strictEqual(yield* sent(`{"authorization":"Bearer ${secrets.header}`), 400)
        // One that waits for a worker, one whose map comes late, and one that cannot be stored.
        yield* upload(
          "acme",
          zipOf([{ name: "app.js.map", type: "source_map", debugId: idOf(1), content: mapOf("app.ts", 3) }])
        )
        yield* Effect.flatMap(SourceMapWork, ({ run }) => run)
        assert.strictEqual(yield* sent(envelope(secrets, idOf(1))), 200)
        assert.strictEqual(yield* sent(envelope(secrets, idOf(2))), 200)
        noneIn(secrets, yield* everyTable)
        yield* Effect.flatMap(SourceMapWork, ({ run }) => run)
        const { capture } = yield* ErrorReports.ErrorReports
        capture(new Error(`Cannot connect with password=${secrets.message}`), {
          extra: {
            authorization: secrets.header,
            at: `https://ann:${encodeURIComponent(secrets.url)}@db.example`
          }
        })
        yield* sql`
          SELECT
            FROM hm_error_issue
           WHERE tenant_id = '_system'
        `.pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
        yield* sql`
          ALTER TABLE hm_error_log
            ADD CONSTRAINT poison CHECK (environment <> 'poison')
        `
        const poisoned = { ...eventOf(secrets), environment: "poison" }
        assert.strictEqual(yield* sent(JSON.stringify(poisoned), "store"), 200)
        assert.isNotEmpty(log.filter(({ text }) => text.includes("cannot be stored")))
        noneIn(secrets, yield* everyTable)
        noneIn(secrets, yield* answersOf("acme", project.projectId))

        yield* database.leave
        for (let time = 0; time < 3; time++) assert.strictEqual(yield* sent(envelope(secrets)), 200)
        const files = everyFile(folder)
        assert.include(files.map(({ text }) => text).join("\n"), "LoginError")
        noneIn(secrets, files)
        yield* database.comeBack
        yield* Effect.sync(() => everyFile(folder).filter(({ name }) => name.endsWith(".spool")).length).pipe(
          Effect.repeat({ until: (left) => left === 0, schedule: Schedule.spaced("100 millis") })
        )
        const tables = yield* everyTable
        assert.isNotEmpty(tables.filter(({ text }) => text.includes("LoginError")))
        noneIn(secrets, tables)
        noneIn(secrets, log)
      }).pipe(Effect.provide(context))
    }).pipe(Effect.scoped)
  )
})
