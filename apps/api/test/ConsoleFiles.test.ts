/** The console's files over raw HTTP, from a small folder. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Files from "@hypermarket/api/console/Files"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { connect, head } from "./rawClient.ts"

const page = `<!doctype html><html><head><base href="./" /><title>T</title></head><body></body></html>`

const files: Readonly<Record<string, string>> = {
  "index.html": page,
  "assets/main-abc123.js": "plain script",
  "assets/main-abc123.js.br": "brotli script",
  "assets/main-abc123.js.gz": "gzip script",
  "assets/main-abc123.js.map": "a source map",
  "icon.svg": "<svg/>",
  ".vite/manifest.json": "{}"
}

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-console-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const fill = (path: string) => {
  for (const [name, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.dirname(Path.join(path, name)), { recursive: true })
    Fs.writeFileSync(Path.join(path, name), text)
  }
}

const served = (path: string, publicUrl: string | undefined) =>
  ApiServer.layer(
    Files.layer({
      folder: Path.join(path, "dist"),
      publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl)
    })
  ).pipe(
    Layer.provide([AccessLog.layerDiscard, Shutdown.layer]),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

/** The public URL has a prefix, as behind a proxy that takes it away. */
const TestServer = Layer.unwrap(
  Effect.map(folder, (path) => {
    fill(Path.join(path, "dist"))
    Fs.writeFileSync(Path.join(path, "secret.txt"), "not of the console")
    return served(path, "https://tools.example/ops/hm/")
  })
)

const get = Effect.fnUntraced(function* (
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET"
) {
  const { address } = yield* HttpServer.HttpServer
  const connection = yield* connect(`http://127.0.0.1:${"port" in address ? address.port : 0}`)
  yield* connection.write(head(method, path, headers))
  return yield* connection.answer
}, Effect.scoped)

layer(TestServer, { excludeTestServices: true })("the console's files", (it) => {
  it.effect("are sent in the encoding that the build made and the client accepts", () =>
    Effect.gen(function* () {
      const path = "/console/assets/main-abc123.js"
      for (const [accepted, encoding, body] of [
        ["gzip, deflate, br", "br", "brotli script"],
        ["gzip", "gzip", "gzip script"],
        ["gzip, br;q=0", "gzip", "gzip script"],
        ["identity", undefined, "plain script"]
      ] as const) {
        const answer = yield* get(path, { "accept-encoding": accepted })
        assert.strictEqual(answer.body, body)
        assert.strictEqual(answer.headers.get("content-encoding"), encoding)
        assert.strictEqual(answer.headers.get("content-type"), "text/javascript; charset=utf-8")
        assert.strictEqual(answer.headers.get("cache-control"), "public, max-age=31536000, immutable")
        assert.strictEqual(answer.headers.get("vary"), "accept-encoding")
      }
    })
  )

  it.effect("are the page for every path but that of a missing asset, which is 404", () =>
    Effect.gen(function* () {
      for (const path of ["/console/", "/console/t/acme/queues?last=24h", "/console/index.html"]) {
        const answer = yield* get(path)
        assert.strictEqual(answer.status, 200)
        assert.include(answer.body, "<title>T</title>")
        assert.strictEqual(answer.headers.get("cache-control"), "no-cache")
      }
      const missing = yield* get("/console/assets/main-old.js")
      assert.strictEqual(missing.status, 404)
      assert.notInclude(missing.body, "<html")
      assert.strictEqual((yield* get("/console/icon.svg")).body, "<svg/>")
      assert.include((yield* get("/console/robots.txt")).body, "Disallow: /")
    })
  )

  it.effect("carry the policy, and nothing lets another origin frame, read or sniff them", () =>
    Effect.gen(function* () {
      for (const path of ["/console/", "/console/assets/main-abc123.js", "/console/assets/missing.js"]) {
        const { headers } = yield* get(path)
        assert.strictEqual(
          headers.get("content-security-policy"),
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
            "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; " +
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer")
        assert.strictEqual(headers.get("cross-origin-opener-policy"), "same-origin")
        assert.strictEqual(headers.get("cross-origin-resource-policy"), "same-origin")
        assert.include(headers.get("permissions-policy") ?? "", "geolocation=()")
        assert.isUndefined(headers.get("access-control-allow-origin"))
      }
    })
  )

  it.effect(
    "answer 304 to the ETag of the page, whose base is the prefix of the name it was reached by",
    () =>
      Effect.gen(function* () {
        const local = yield* get("/console/")
        assert.include(local.body, `<base href="/console/" />`)
        const proxied = yield* get("/console/", { host: "tools.example" })
        assert.include(proxied.body, `<base href="/ops/hm/console/" />`)
        const etag = local.headers.get("etag") ?? ""
        assert.notStrictEqual(proxied.headers.get("etag"), etag)
        const again = yield* get("/console/", { "if-none-match": `"other", ${etag}` })
        assert.strictEqual(again.status, 304)
        assert.strictEqual(again.body, "")
        assert.strictEqual((yield* get("/console/", { "if-none-match": `"other"` })).status, 200)
      })
  )

  it.effect("are redirected to from /console, relative to the prefix of a proxy", () =>
    Effect.gen(function* () {
      const answer = yield* get("/console")
      assert.strictEqual(answer.status, 308)
      assert.strictEqual(answer.headers.get("location"), "console/")
      assert.strictEqual((yield* get("/console?theme=dark")).headers.get("location"), "console/?theme=dark")
    })
  )

  it.effect("are those of the folder and of the build: no path of a request is opened", () =>
    Effect.gen(function* () {
      for (const path of [
        "/console/../secret.txt",
        "/console/..%2fsecret.txt",
        "/console/%2e%2e/secret.txt",
        "/console/assets/../../secret.txt",
        "/console/assets/..%2f..%2fsecret.txt",
        "/console//etc/passwd",
        "/console/assets/main-abc123.js.map",
        "/console/.vite/manifest.json",
        "/console/assets/main-abc123.js.br"
      ]) {
        const answer = yield* get(path)
        assert.isTrue(answer.status === 404 || answer.body.includes("<title>T</title>"), path)
        for (const text of ["not of the console", "root:", "a source map", "brotli script", "{}"]) {
          assert.notInclude(answer.body, text, path)
        }
      }
    })
  )

  it.effect("are not served under another name: 421 without a page", () =>
    Effect.gen(function* () {
      for (const host of [
        "rebound.example",
        "tools.example:8443",
        "127.0.0.1.example",
        "localhost.example"
      ]) {
        const answer = yield* get("/console/", { host })
        assert.strictEqual(answer.status, 421, host)
        assert.include(answer.body, "HM_CONSOLE_PUBLIC_URL")
        assert.notInclude(answer.body, "<title>T</title>")
      }
      for (const host of ["localhost:8080", "127.0.0.1:49152", "[::1]:8080"]) {
        assert.strictEqual((yield* get("/console/", { host })).status, 200, host)
      }
    })
  )

  it.effect("are read only: another method is 405", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("/console/", {}, "PUT")).status, 405)
    })
  )
})

describe("a console without files", () => {
  it.live("says that it is being built, and is there once it has been", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* Effect.gen(function* () {
        const before = yield* get("/console/")
        assert.strictEqual(before.status, 200)
        assert.include(before.body, "being built")
        assert.strictEqual(before.headers.get("cache-control"), "no-store")
        assert.include(before.headers.get("content-security-policy") ?? "", "script-src 'self'")
        fill(Path.join(path, "dist"))
        const shown = get("/console/").pipe(
          Effect.flatMap(({ body }) =>
            body.includes("<title>T</title>") ? Effect.void : Effect.fail("not yet")
          )
        )
        yield* Effect.eventually(Effect.delay(shown, "50 millis"))
      }).pipe(Effect.provide(served(path, undefined)))
    })
  )
})
