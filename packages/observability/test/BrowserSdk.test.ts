import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Effect, Layer, Schedule } from "effect"
import { build } from "esbuild"
import { createServer } from "node:http"
import * as Path from "node:path"
import { chromiumOf, isChromiumAvailable } from "./chromium.ts"
import { baseUrl, issuesOf, layerServer, projectOf } from "./errorServer.ts"

/** A page of another origin than the API, with the SDK bundled into its script. */
const site = Effect.gen(function* () {
  const { outputFiles } = yield* Effect.promise(() =>
    build({
      entryPoints: [Path.join(import.meta.dirname, "application/browser/page.js")],
      bundle: true,
      format: "iife",
      write: false,
      logLevel: "silent"
    })
  )
  const script = outputFiles[0]?.text ?? ""
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const listening = createServer((request, response) => {
        const isScript = request.url === "/page.js"
        response.setHeader("content-type", isScript ? "text/javascript" : "text/html")
        response.end(isScript ? script : '<!doctype html><title>open</title><script src="/page.js"></script>')
      })
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) => Effect.sync(() => listening.close())
  )
  const address = server.address()
  return `http://localhost:${typeof address === "object" && address !== null ? address.port : 0}`
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("@sentry/browser, unmodified", (it) => {
  it.effect.runIf(isChromiumAvailable)(
    "uncaught and caught errors, messages, feedback and logs of a page of another origin arrive, and the page is refused nothing",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("browser")
        const api = new URL(yield* baseUrl)
        const dsn = `http://browser_client_${project.projectId}@${api.host}/sentry/${project.projectId}`
        const origin = yield* site
        const browser = yield* chromiumOf
        const answers: Array<string> = []
        const page = yield* Effect.promise(() => browser.newPage({ locale: "en-GB", timezoneId: "UTC" }))
        page.on("response", (response) => {
          if (response.url().startsWith(api.origin))
            answers.push(`${response.request().method()} ${response.status()}`)
        })
        page.on("requestfailed", (request) => answers.push(`${request.method()} failed`))
        yield* Effect.promise(() => page.goto(`${origin}/?dsn=${encodeURIComponent(dsn)}`))
        yield* Effect.promise(() => page.title()).pipe(
          Effect.repeat({ until: (title) => title !== "open", schedule: Schedule.spaced("50 millis") })
        )
        assert.strictEqual(yield* Effect.promise(() => page.title()), "sent")
        const issues = yield* issuesOf("browser")
        assert.sameMembers(
          issues.map(({ title }) => title),
          ["TypeError: basket is undefined", "RangeError: Too many baskets", "The page is open"]
        )
        const thrown = issues.find(({ title }) => title.startsWith("TypeError"))
        assert.deepInclude(thrown, { lastRelease: "front@1.4.0", userCount: 1 })
        assert.match(thrown?.culprit ?? "", /^addToCart \(/)
        assert.isNotEmpty(answers)
        assert.deepStrictEqual(
          answers.filter((answer) => !answer.endsWith("200") && !answer.endsWith("204")),
          []
        )
        const projects = yield* ErrorProjects
        const counts = yield* projects.counts(project.projectId).pipe(provide(TenantId.make("browser")))
        const categories = counts.map(({ category }) => category)
        assert.includeMembers(categories, ["feedback", "session", "log_item"])
        assert.deepStrictEqual(
          counts.filter(({ category, outcome }) => outcome === "dropped" || category === "unknown"),
          []
        )
      }).pipe(Effect.scoped)
  )
})
