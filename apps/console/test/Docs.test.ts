/** The API reference in a real browser, against the real API. */
import { assert, describe, layer } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import { Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { OpenApi } from "effect/http-api"
import type { Page } from "playwright-core"
import { isAvailable, launch } from "./Chromium.ts"
import { layerServer } from "./Console.ts"
import * as Shop from "./Shop.ts"

/** Longer than any condition that a page is waited for: a guard against hanging, never a statement about speed. */
const hangGuardMillis = 120_000

/** Scalar asks whether it may evaluate text, and goes on when it may not. */
const isExpected = (fault: string): boolean => fault.startsWith("policy: script-src eval ")

interface Opened {
  readonly page: Page
  readonly url: string
  readonly secret: string
  /** Errors of the page and violations of its policy. */
  readonly faults: Array<string>
  /** Every address that the page asked. */
  readonly asked: ReadonlyArray<string>
}

/** The reference, opened at the queues. */
class Docs extends Context.Service<Docs, Opened>()("@hypermarket/console/test/Docs") {
  static readonly layer = Layer.effect(
    Docs,
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const url = `http://127.0.0.1:${"port" in address ? address.port : 0}`
      const { wide: secret } = yield* Shop.make
      const browser = yield* launch
      const faults: Array<string> = []
      const asked: Array<string> = []
      const page = yield* Effect.promise(async () => {
        const context = await browser.newContext({
          locale: "en-US",
          timezoneId: "UTC",
          viewport: { width: 1_440, height: 900 }
        })
        context.setDefaultTimeout(hangGuardMillis)
        await context.addInitScript(() =>
          addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective }) =>
            reportError(new Error(`policy: ${violatedDirective} ${blockedURI} `))
          )
        )
        const opened = await context.newPage()
        opened.on("pageerror", ({ message }) => faults.push(message))
        opened.on("console", (message) => {
          if (message.type() === "error") faults.push(message.text())
        })
        opened.on("request", (request) => asked.push(request.url()))
        await opened.goto(`${url}/docs#tag/queues/GET/v1/events/queues`)
        await opened.getByText("Authorization: Bearer").first().waitFor()
        return opened
      })
      return { page, url, secret, faults, asked }
    })
  ).pipe(Layer.provide(layerServer))
}

/** The summaries of the operations of the group that is open. */
const summaries = Object.values(OpenApi.fromApi(Api).paths).flatMap((path) =>
  Object.values(path).flatMap((operation) =>
    typeof operation === "object" && "operationId" in operation && operation.operationId.startsWith("queues.")
      ? [String(operation.summary)]
      : []
  )
)

// It is skipped where its package has no binary.
describe.skipIf(!isAvailable)("Chromium", () => {
  layer(Docs.layer, { excludeTestServices: true })("shows the reference", (it) => {
    it.effect("with the operations of a group in the sidebar, by their summaries", () =>
      Effect.gen(function* () {
        const { page } = yield* Docs
        yield* Effect.promise(async () => {
          const sidebar = await page.getByRole("navigation").first().innerText()
          assert.isAtLeast(summaries.length, 10)
          assert.deepStrictEqual(
            summaries.filter((summary) => !sidebar.includes(summary)),
            []
          )
        })
      })
    )

    it.effect("with a sample that sends the key as Bearer, and without bounds that say nothing", () =>
      Effect.gen(function* () {
        const { page } = yield* Docs
        yield* Effect.promise(async () => {
          const text = await page.locator("body").innerText()
          assert.include(text, "Authorization: Bearer ")
          assert.notMatch(text, /\bBasic\b/)
          assert.notInclude(text, String(Number.MAX_SAFE_INTEGER))
        })
      })
    )

    it.effect("with a whole event as the sample of a publication", () =>
      Effect.gen(function* () {
        const { page, url } = yield* Docs
        yield* Effect.promise(async () => {
          const other = await page.context().newPage()
          await other.goto(`${url}/docs#tag/events/POST/v1/events`)
          const sample = other.locator("pre", { hasText: "Authorization: Bearer" }).first()
          await sample.waitFor()
          const text = await sample.innerText()
          for (const name of ["specversion", "id", "source", "type", "data"])
            assert.include(text, `"${name}"`)
          assert.include(text, "application/cloudevents+json")
          await other.close()
        })
      })
    )

    it.effect("and sends a request with the key that the reader enters", () =>
      Effect.gen(function* () {
        const { page, secret, url } = yield* Docs
        yield* Effect.promise(async () => {
          await page
            .getByRole("button", { name: /get \/v1\/events\/queues\)/ })
            .first()
            .click()
          const dialog = page.getByRole("dialog", { name: "API Client" })
          await dialog.getByPlaceholder("Token").fill(secret)
          const [response] = await Promise.all([
            page.waitForResponse(`${url}/v1/events/queues`),
            dialog.getByRole("button", { name: /Send get request/ }).click()
          ])
          assert.strictEqual(response.status(), 200)
          assert.strictEqual(response.request().headers()["authorization"], `Bearer ${secret}`)
          await dialog.getByText("erp-export").first().waitFor()
          await page.keyboard.press("Escape")
        })
      })
    )

    it.effect("asks no other host and breaks no rule of its policy", () =>
      Effect.gen(function* () {
        const { asked, faults, page, url } = yield* Docs
        assert.deepStrictEqual(
          faults.filter((fault) => !isExpected(fault)),
          []
        )
        yield* Effect.promise(async () => {
          const response = await page.request.get(`${url}/docs`)
          const policy = response.headers()["content-security-policy"] ?? ""
          assert.match(policy, /^default-src 'none'; script-src '/)
          assert.notMatch(policy, /script-src[^;]*unsafe/)
          // A script that the page does not have is not run.
          await page.evaluate(() => {
            const script = document.createElement("script")
            script.textContent = "document.title = 'run'"
            document.body.append(script)
          })
          assert.notStrictEqual(await page.title(), "run")
        })
        // That was one violation. The page itself has none.
        faults.length = 0
        assert.deepStrictEqual(
          asked.filter((address) => !address.startsWith(`${url}/`)),
          []
        )
      })
    )
  })
})
