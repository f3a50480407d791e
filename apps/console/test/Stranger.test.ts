/** Pages of another site, and of another port of this one, in the browser of who is signed in. */
import { assert, describe, layer } from "@effect/vitest"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { Effect } from "effect"
import { HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import type { Page } from "playwright-core"
import { absence, isAvailable, launch } from "./Chromium.ts"
import { layerServer } from "./Console.ts"

/** Longer than any condition that a page is waited for: a guard against hanging, never a statement about speed. */
const hangGuardMillis = 120_000

/** Serves an empty page without a policy, and returns the port. */
const emptyPages = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((_, response) => {
      response.setHeader("content-type", "text/html")
      response.end("<!doctype html><title>A stranger</title><body></body>")
    }).listen(0, () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  })
)

const acme = TenantId.make("acme")

/** A browser that is signed in with a key that manages keys. */
const signedIn = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts
    .create({ tenantId: acme, name: "Acme" })
    .pipe(Effect.provideService(AllTenants, { actor: "test" }))
  const { secret } = yield* keys
    .create({ name: "operator", scopes: ["platform:admin", "events:read"] }, "operator")
    .pipe(provide(acme))
  const browser = yield* launch
  const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/console/`
  const context = yield* Effect.promise(async () => {
    const opened = await browser.newContext({ locale: "en-US", timezoneId: "UTC" })
    opened.setDefaultTimeout(hangGuardMillis)
    const page = await opened.newPage()
    await page.goto(url)
    await page.getByLabel("Key").fill(secret ?? "")
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("navigation", { name: "Pages" }).waitFor()
    await page.close()
    return opened
  })
  return { secret: secret ?? "", url, open: Effect.promise(() => context.newPage()) }
})

const newKey = JSON.stringify({ name: "of a stranger", scopes: ["platform:read"] })

/** Returns what a page gets to read of an address, by each means that it has. */
const readings = (page: Page, address: string) =>
  page.evaluate(async (url) => {
    const attempt = async (init: RequestInit) => {
      try {
        const response = await fetch(url, { credentials: "include", ...init })
        return `${response.type} ${response.status} ${await response.text()}`
      } catch (error) {
        return String(error)
      }
    }
    const eventOf = (target: EventTarget) =>
      new Promise<string>((resolve) => {
        for (const type of ["load", "open", "error"]) target.addEventListener(type, () => resolve(type))
      })
    const image = new Image()
    const script = document.createElement("script")
    const source = new EventSource(url, { withCredentials: true })
    // Listened to before anything is waited for.
    const events = [image, script, source].map(eventOf)
    image.src = url
    script.src = url
    document.head.append(script)
    const read = {
      plain: await attempt({}),
      asConsole: await attempt({
        headers: { "x-hypermarket-console": "1", "x-hypermarket-tenant": "acme" }
      }),
      opaque: await attempt({ mode: "no-cors" }),
      events: await Promise.all(events)
    }
    source.close()
    return read
  }, address)

/** Sends what a page can send without a preflight, and what needs one. */
const write = (page: Page, address: string, method: string, body: string) =>
  page.evaluate(
    async ([url, verb, text]) => {
      const refused = () => "refused"
      const simple = await fetch(url, {
        method: "POST",
        mode: "no-cors",
        credentials: "include",
        headers: { "content-type": "text/plain" },
        body: text
      }).then((response) => `${response.type} ${response.status}`, refused)
      const asConsole = await fetch(url, {
        method: verb,
        credentials: "include",
        headers: {
          "content-type": "application/json",
          "idempotency-key": "of-a-stranger",
          "x-hypermarket-console": "1",
          "x-hypermarket-tenant": "acme"
        },
        ...(verb === "DELETE" ? {} : { body: text })
      }).then((response) => `${response.type} ${response.status}`, refused)
      return { simple, asConsole }
    },
    [address, method, body] as const
  )

/** Sends a form whose body is this JSON, with one member more, and waits for the answer in its frame. */
const sendForm = (page: Page, address: string, json: string) =>
  page.evaluate(
    ([url, text]) =>
      new Promise<void>((resolve) => {
        const frame = document.createElement("iframe")
        frame.name = "answer"
        const form = Object.assign(document.createElement("form"), {
          action: url,
          method: "POST",
          enctype: "text/plain",
          target: "answer"
        })
        const input = document.createElement("input")
        // A form writes `name=value`, which this makes `{...,"label":"="}`.
        input.name = `${text.slice(0, -1)},"label":"`
        input.value = '"}'
        form.append(input)
        document.body.append(frame, form)
        frame.addEventListener("load", () => {
          // The next form looks for a frame of this name.
          frame.remove()
          resolve()
        })
        form.submit()
      }),
    [address, json] as const
  )

describe.skipIf(!isAvailable)(`A stranger's page in Chromium${isAvailable ? "" : `: ${absence}`}`, () => {
  layer(layerServer, { excludeTestServices: true })("against the API", (it) => {
    it.effect("can neither read nor write through the session, by fetch, form, image, script or frame", () =>
      Effect.gen(function* () {
        const { open, secret, url } = yield* signedIn
        const sql = yield* SqlClient.SqlClient
        const port = yield* emptyPages
        const api = new URL(url).origin
        const stored = sql`
            SELECT (SELECT count(*)::int FROM hm_api_key) AS keys,
                   (SELECT array_agg(token_hash ORDER BY token_hash) FROM hm_console_session) AS sessions
          `
        const before = yield* stored
        const own = yield* open
        // What the stranger is refused is there for the console's own page.
        yield* Effect.promise(async () => {
          await own.goto(`${url}t/acme/keys`)
          const answer = await own.evaluate(async (address) => {
            const headers = { "x-hypermarket-console": "1", "x-hypermarket-tenant": "acme" }
            return (await fetch(address, { headers })).text()
          }, `${api}/v1/platform/keys`)
          assert.include(answer, '"operator"')
        })
        // `localhost` is another site than 127.0.0.1; another port of 127.0.0.1 is the same one, and gets the cookie.
        for (const name of ["localhost", "127.0.0.1"]) {
          const page = yield* open
          yield* Effect.promise(async () => {
            await page.goto(`http://${name}:${port}/`)
            for (const path of ["/v1/platform/keys", "/console/session", "/v1/overview/live?topics=queues"]) {
              assert.deepStrictEqual(
                await readings(page, `${api}${path}`),
                {
                  plain: "TypeError: Failed to fetch",
                  asConsole: "TypeError: Failed to fetch",
                  // The browser hides the answer, or has not taken it.
                  opaque: "opaque 0 ",
                  events: ["error", "error", "error"]
                },
                `${name} ${path}`
              )
            }
            for (const [path, method, body] of [
              ["/v1/platform/keys", "POST", newKey],
              ["/console/session", "POST", JSON.stringify({ key: secret })],
              ["/console/session", "DELETE", ""]
            ] as const) {
              const { asConsole } = await write(page, `${api}${path}`, method, body)
              assert.strictEqual(asConsole, "refused", `${name} ${method} ${path}`)
            }
            await sendForm(page, `${api}/v1/platform/keys`, newKey)
            await sendForm(page, `${api}/console/session`, JSON.stringify({ key: secret }))
            // A frame of the console shows nothing of it.
            const framed = await page.evaluate(
              (address) =>
                new Promise<boolean>((resolve) => {
                  const frame = document.createElement("iframe")
                  frame.name = "console"
                  frame.src = address
                  frame.addEventListener("load", () => resolve(frame.contentDocument === null))
                  document.body.append(frame)
                }),
              `${url}t/acme/keys`
            )
            assert.isTrue(framed)
            assert.strictEqual(await page.frame({ name: "console" })?.locator("#root").count(), 0)
            await page.close()
          })
        }
        assert.deepStrictEqual(yield* stored, before)
        yield* Effect.promise(async () => {
          await own.reload()
          await own.getByText("operator").first().waitFor()
          assert.strictEqual(await own.getByText("of a stranger").count(), 0)
          await own.close()
        })
      }).pipe(Effect.scoped)
    )
  })
})
