import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import { Effect, Layer, Schedule, type Schema } from "effect"
import { createServer } from "node:http"
import { chromiumOf, isChromiumAvailable } from "./chromium.ts"
import { baseUrl, issuesOf, layerServer, post, projectOf } from "./errorServer.ts"

type Json = Schema.Json

const send = (tenant: string, project: { readonly projectId: number }, body: Json, contentType: string) =>
  post(project, JSON.stringify(body), {
    tenant,
    route: "security",
    headers: { "content-type": contentType, "user-agent": "Mozilla/5.0 (X11) Firefox/140.0" }
  })

const policy = (fields: Readonly<Record<string, Json>>): Json => ({
  "csp-report": {
    "document-uri": "https://shop.example/cart?basket=7",
    referrer: "",
    "violated-directive": "script-src 'self'",
    "effective-directive": "script-src",
    "original-policy": "script-src 'self'; report-uri /csp",
    disposition: "enforce",
    "blocked-uri": "https://cdn.evil.example/a.js?n=1",
    "status-code": 200,
    ...fields
  }
})

const queued = (type: string, body: Readonly<Record<string, Json>>): Json => ({
  type,
  age: 61_000,
  url: "https://shop.example/",
  user_agent: "Mozilla/5.0 Chrome/153",
  body
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Reports of browsers", (it) => {
  it.effect("violations of a policy are one issue per directive and origin, in both of their forms", () =>
    Effect.gen(function* () {
      const project = yield* projectOf("policy")
      const answers = [
        yield* send("policy", project, policy({}), "application/csp-report"),
        yield* send(
          "policy",
          project,
          policy({ "blocked-uri": "https://cdn.evil.example/b.js" }),
          "application/csp-report"
        ),
        yield* send(
          "policy",
          project,
          policy({ "blocked-uri": "inline", disposition: "report" }),
          "application/csp-report"
        ),
        yield* send(
          "policy",
          project,
          [
            queued("csp-violation", {
              documentURL: "https://shop.example/till",
              blockedURL: "https://cdn.evil.example/c.js",
              effectiveDirective: "script-src",
              disposition: "enforce"
            }),
            queued("csp-violation", {
              documentURL: "https://shop.example/till",
              blockedURL: "data",
              effectiveDirective: "img-src",
              disposition: "enforce"
            })
          ],
          "application/reports+json"
        )
      ]
      for (const { headers, status, text } of answers) {
        assert.strictEqual(status, 200, text)
        assert.match(String(JSON.parse(text).id), /^[0-9a-f]{32}$/)
        assert.strictEqual(headers["access-control-allow-origin"], "*")
      }
      assert.sameDeepMembers(
        (yield* issuesOf("policy")).map(({ culprit, eventCount, level, title }) => [
          title,
          culprit,
          level,
          eventCount
        ]),
        [
          ["Blocked 'script-src' from 'cdn.evil.example'", "script-src", "error", 3],
          ["Blocked inline 'script-src'", "script-src", "warning", 1],
          ["Blocked data 'img-src'", "img-src", "error", 1]
        ]
      )
    })
  )

  it.effect(
    "Expect-CT, Expect-Staple, key pins and other reports of the browser become issues, with release and environment",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("certificates")
        const at = "2026-05-01T10:00:00Z"
        const bodies: ReadonlyArray<Json> = [
          { "expect-ct-report": { "date-time": at, hostname: "pay.example", port: 443, scts: [] } },
          {
            "expect-staple-report": { "date-time": at, hostname: "img.example", "response-status": "MISSING" }
          },
          {
            "date-time": at,
            hostname: "www.example",
            port: 443,
            "noted-hostname": "example",
            "known-pins": []
          },
          [queued("deprecation", { id: "WebSQL", message: "WebSQL is removed soon", lineNumber: 3 })],
          queued("crash", { reason: "oom" })
        ]
        for (const body of bodies) {
          const answer = yield* send("certificates", project, body, "application/json")
          assert.strictEqual(answer.status, 200, answer.text)
        }
        const issues = yield* issuesOf("certificates")
        assert.sameMembers(
          issues.map(({ title }) => title),
          [
            "Expect-CT failed for 'pay.example'",
            "Expect-Staple failed for 'img.example'",
            "Public key pinning failed for 'www.example'",
            "deprecation: WebSQL is removed soon",
            "crash: oom"
          ]
        )
      })
  )

  it.effect(
    "a body without a report is refused by name, and an entry that is none is dropped alone and counted",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("noreport")
        const deep: Json = JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`)
        for (const body of [{}, [], "text", null, { "csp-report": {} }, { "csp-report": 7 }, deep]) {
          const answer = yield* send("noreport", project, body, "application/csp-report")
          assert.strictEqual(answer.status, 400, JSON.stringify(body).slice(0, 50))
          assert.strictEqual(answer.headers["x-sentry-error"], "broken-security")
        }
        const list = [
          7,
          queued("csp-violation", {}),
          queued("csp-violation", { effectiveDirective: "font-src" })
        ]
        const answer = yield* send("noreport", project, list, "application/reports+json")
        assert.strictEqual(answer.status, 200, answer.text)
        const many = Array.from({ length: 150 }, () =>
          queued("csp-violation", { effectiveDirective: "font-src" })
        )
        assert.strictEqual((yield* send("noreport", project, many, "application/reports+json")).status, 200)
        const projects = yield* ErrorProjects
        const counts = yield* projects.counts(project.projectId).pipe(provide(TenantId.make("noreport")))
        assert.sameDeepMembers(
          counts.map(({ category, outcome, quantity, reason }) => [category, outcome, reason, quantity]),
          [
            ["error", "stored", "", 101],
            ["security", "dropped", "unreadable", 52]
          ]
        )
        assert.strictEqual((yield* issuesOf("noreport"))[0]?.eventCount, 101)
      })
  )

  it.effect.runIf(isChromiumAvailable)("Chromium reports a blocked script by itself, across origins", () =>
    Effect.gen(function* () {
      const project = yield* projectOf("chromium")
      const api = new URL(yield* baseUrl)
      const target =
        `${api.origin}/sentry/api/${project.projectId}/security/` +
        `?sentry_key=chromium_client_${project.projectId}&sentry_release=front@1.4.0&sentry_environment=live`
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer((_, response) => {
            response.setHeader("content-type", "text/html")
            response.setHeader("content-security-policy", `script-src 'self'; report-uri ${target}`)
            response.end("<!doctype html><title>open</title><script>document.title = 'run'</script>")
          })
          listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const browser = yield* chromiumOf
      const page = yield* Effect.promise(() => browser.newPage({ locale: "en-GB", timezoneId: "UTC" }))
      yield* Effect.promise(() => page.goto(`http://localhost:${port}/cart`))
      const [issue] = yield* issuesOf("chromium").pipe(
        Effect.repeat({ until: (found) => found.length > 0, schedule: Schedule.spaced("50 millis") })
      )
      assert.deepInclude(issue, {
        title: "Blocked inline 'script-src-elem'",
        lastRelease: "front@1.4.0",
        eventCount: 1
      })
      if (issue === undefined) return
      const issues = yield* Issues
      const as = provide(TenantId.make("chromium"))
      const { items } = yield* issues.events(issue.issueId, {}).pipe(as)
      const event = yield* issues.event(project.projectId, items[0]?.eventId ?? "").pipe(as)
      assert.include(JSON.stringify(event.data), `http://localhost:${port}/cart`)
    }).pipe(Effect.scoped)
  )
})
