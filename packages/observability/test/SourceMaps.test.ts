import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Issues } from "@hypermarket/observability/Issues"
import { SourceMapWork } from "@hypermarket/observability/SourceMapWork"
import * as Command from "@hypermarket/testing/Command"
import { SentryCli } from "@sentry/cli"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { build } from "esbuild"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { baseUrl, issuesOf, layerServer, projectOf } from "./errorServer.ts"

const sources = Path.join(import.meta.dirname, "application/bundle")

const work = Effect.flatMap(SourceMapWork, ({ run }) => run)

/** Bundles the shop as a release, minified, with its map beside it. */
const bundle = Effect.fnUntraced(function* (release: string, banner: string) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-bundle-"))),
    (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
  )
  Fs.cpSync(sources, Path.join(folder, "src"), { recursive: true })
  yield* Effect.promise(() =>
    build({
      entryPoints: [Path.join(folder, "src/main.ts")],
      outfile: Path.join(folder, "dist/shop.mjs"),
      bundle: true,
      minify: true,
      sourcemap: true,
      platform: "node",
      format: "esm",
      target: "node24",
      // The SDK finds its own modules.
      external: ["@sentry/node"],
      // Names and columns differ between the releases.
      banner: { js: banner },
      logLevel: "silent"
    })
  )
  // The SDK is found from the bundle's folder.
  Fs.symlinkSync(Path.join(import.meta.dirname, "../node_modules"), Path.join(folder, "node_modules"))
  return { folder, release }
})

type Built = Effect.Success<ReturnType<typeof bundle>>

const cli = Effect.fnUntraced(function* (tenant: string, { folder }: Built, ...args: ReadonlyArray<string>) {
  const url = yield* baseUrl
  return yield* Command.run(SentryCli.getPath(), args, {
    cwd: folder,
    env: { SENTRY_URL: url, SENTRY_AUTH_TOKEN: tenant, SENTRY_ORG: tenant, SENTRY_PROJECT: "shop" }
  })
})

/** Runs the shop, which fails once. */
const fail = Effect.fnUntraced(function* (tenant: string, projectId: number, { folder, release }: Built) {
  const url = new URL(yield* baseUrl)
  const shop = yield* Command.run(process.execPath, [Path.join(folder, "dist/shop.mjs")], {
    cwd: folder,
    env: {
      SHOP_DSN: `http://${tenant}_client_${projectId}@${url.host}/sentry/${projectId}`,
      SHOP_RELEASE: release
    }
  })
  assert.strictEqual(shop.code, 0, shop.stderr)
})

/** The newest event of an issue, with its stack. */
const eventOf = Effect.fnUntraced(function* (tenant: string, index = 0) {
  const issues = yield* Issues
  const as = provide(TenantId.make(tenant))
  const [issue] = yield* issuesOf(tenant)
  if (issue === undefined) return yield* Effect.die(new Error("there is no issue"))
  const { items } = yield* issues.events(issue.issueId, {}).pipe(as)
  const event = yield* issues.event(issue.projectId, items[index]?.eventId ?? "").pipe(as)
  return { issue, event, text: JSON.stringify(event.data) }
})

const framesIn = (text: string): ReadonlyArray<Record<string, unknown>> =>
  JSON.parse(text).exception.values.at(-1).stacktrace.frames

layer(layerServer.pipe(Layer.provideMerge(NodeServices.layer), Layer.orDie), { excludeTestServices: true })(
  "Source maps of a real build, uploaded by @sentry/cli",
  (it) => {
    it.effect("minified frames of two releases become those of the sources, in one issue", () =>
      Effect.gen(function* () {
        const project = yield* projectOf("maps")
        const first = yield* bundle("shop@2.10.0", "const q=1;")
        const second = yield* bundle("shop@2.11.0", "var closeCart=7,totalOf=8,a,b,c,d,e,f,g;")
        for (const built of [first, second]) {
          const injected = yield* cli("maps", built, "sourcemaps", "inject", "dist")
          assert.strictEqual(injected.code, 0, injected.stderr)
          const uploaded = yield* cli(
            "maps",
            built,
            "sourcemaps",
            "upload",
            "--release",
            built.release,
            "dist"
          )
          assert.strictEqual(uploaded.code, 0, uploaded.stdout + uploaded.stderr)
        }
        yield* work
        for (const built of [first, second]) yield* fail("maps", project.projectId, built)
        // They wait for the worker.
        assert.deepStrictEqual(yield* issuesOf("maps"), [])
        yield* work
        const { event, issue, text } = yield* eventOf("maps")
        assert.strictEqual(issue.eventCount, 2)
        assert.strictEqual(issue.culprit, "totalOf (src/cart.ts)")
        assert.deepStrictEqual(event.untranslatedDebugIds, [])
        const own = framesIn(text).filter((frame) => String(frame["filename"]).startsWith("src/"))
        assert.deepStrictEqual(own.map((frame) => [frame["function"], frame["lineno"]]).slice(-3), [
          ["charge", 16],
          ["closeCart", 10],
          ["totalOf", 7]
        ])
        assert.include(String(own.at(-1)?.["context_line"]), 'throw new TypeError("The cart is gone")')
      }).pipe(Effect.scoped)
    )

    it.effect("a map that comes after its events serves them, and their issue goes on", () =>
      Effect.gen(function* () {
        const project = yield* projectOf("late")
        const built = yield* bundle("shop@2.10.0", "const q=1;")
        yield* cli("late", built, "sourcemaps", "inject", "dist")
        yield* fail("late", project.projectId, built)
        const before = yield* eventOf("late")
        assert.lengthOf(before.event.untranslatedDebugIds, 1)
        assert.notInclude(before.issue.culprit ?? "", "cart.ts")

        const uploaded = yield* cli("late", built, "sourcemaps", "upload", "dist")
        assert.strictEqual(uploaded.code, 0, uploaded.stdout + uploaded.stderr)
        yield* work
        const after = yield* eventOf("late")
        assert.deepStrictEqual(after.event.untranslatedDebugIds, [])
        assert.include(after.text, "totalOf")
        yield* fail("late", project.projectId, built)
        yield* work
        const issues = yield* issuesOf("late")
        assert.deepStrictEqual(
          issues.map(({ culprit, eventCount, issueId }) => [issueId, eventCount, culprit]),
          [[before.issue.issueId, 2, "totalOf (src/cart.ts)"]]
        )
      }).pipe(Effect.scoped)
    )

    it.effect(
      "an upload that can serve no event (no debug id, other project, no sources) says so at once, and the event says which id it lacks",
      () =>
        Effect.gen(function* () {
          const project = yield* projectOf("useless")
          yield* projectOf("useless", "other")
          const built = yield* bundle("shop@2.10.0", "const q=1;")
          const bare = yield* cli("useless", built, "sourcemaps", "upload", "dist")
          assert.notStrictEqual(bare.code, 0)
          assert.include(bare.stderr, "debug id")
          yield* cli("useless", built, "sourcemaps", "inject", "dist")
          const elsewhere = yield* cli(
            "useless",
            built,
            "sourcemaps",
            "upload",
            "--project",
            "nowhere",
            "dist"
          )
          assert.notStrictEqual(elsewhere.code, 0)
          assert.include(elsewhere.stderr, "no project nowhere")
          const other = yield* cli("useless", built, "sourcemaps", "upload", "--project", "other", "dist")
          assert.strictEqual(other.code, 0, other.stderr)
          yield* work
          yield* fail("useless", project.projectId, built)
          const { event } = yield* eventOf("useless")
          const script = Fs.readFileSync(Path.join(built.folder, "dist/shop.mjs"), "utf8")
          assert.deepStrictEqual(event.untranslatedDebugIds, [/debugId=(\S+)/.exec(script)?.[1] ?? ""])

          // The same upload for the project of the event serves it.
          const shared = yield* cli("useless", built, "sourcemaps", "upload", "--project", "shop", "dist")
          assert.strictEqual(shared.code, 0, shared.stderr)
          yield* work
          assert.deepStrictEqual((yield* eventOf("useless")).event.untranslatedDebugIds, [])
        }).pipe(Effect.scoped)
    )

    it.effect("releases are announced and finalized by the client, and a key opens its own tenant only", () =>
      Effect.gen(function* () {
        const project = yield* projectOf("announced")
        const built = yield* bundle("shop@2.10.0", "")
        const made = yield* cli("announced", built, "releases", "new", "shop@3.0.0")
        assert.strictEqual(made.code, 0, made.stderr)
        const finalized = yield* cli("announced", built, "releases", "finalize", "shop@3.0.0")
        assert.strictEqual(finalized.code, 0, finalized.stderr)
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`
          SELECT release
            FROM hm_error_release
           WHERE tenant_id = 'announced' AND project_id = ${project.projectId}
        `
        assert.deepStrictEqual(rows, [{ release: "shop@3.0.0" }])
        const foreign = yield* cli("announced", built, "releases", "--org", "maps", "new", "shop@9.9.9")
        assert.notStrictEqual(foreign.code, 0)
        assert.include(foreign.stderr, "organization announced")
      }).pipe(Effect.scoped)
    )
  }
)
