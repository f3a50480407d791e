/** The pages in a real browser, against the real API. */
import { assert, describe, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as AddedDomain from "./AddedDomain.ts"
import * as BreakingProxy from "./breakingProxy.ts"
import { absence, isAvailable } from "./Chromium.ts"
import { Console, layerServer, themes, violations } from "./Console.ts"
import { pages } from "./pages.ts"
import * as Shop from "./Shop.ts"
import { writes } from "./writes.ts"

/** The picture of a list that says why it is empty. */
const emptiness = ".lucide-inbox"

describe.skipIf(!isAvailable)(`The console in Chromium${isAvailable ? "" : `: ${absence}`}`, () => {
  layer(Console.layer.pipe(Layer.provideMerge(layerServer)), { excludeTestServices: true })(
    "against the API",
    (it) => {
      for (const { heading, path, shows } of pages) {
        it.effect(
          `opens ${path === "" ? "/" : path} by its address, clean and accessible in both themes`,
          () =>
            Effect.gen(function* () {
              const { addressOf, wide } = yield* Console
              const { faults, page } = yield* wide
              yield* Effect.promise(async () => {
                await page.goto(addressOf("acme", path))
                await page.waitForFunction(
                  (expected) =>
                    document.querySelector("h1")?.innerText.replaceAll(/\s+/g, " ").trim() === expected,
                  heading
                )
                for (const text of shows) await page.getByText(text).first().waitFor()
                for (const { rules, theme } of themes) {
                  await page.evaluate((name) => (document.documentElement.dataset["theme"] = name), theme)
                  assert.deepStrictEqual(await violations(page, rules), [], theme)
                }
                await page.close()
              })
              assert.deepStrictEqual(faults, [])
            })
        )
      }

      it.effect("shows a product's title as text, whatever it looks like", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { faults, page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(`${url}t/acme/search?q=desk`)
            await page.getByText("<img src=x onerror").first().waitFor()
            assert.strictEqual(await page.locator("img").count(), 0)
            assert.match(await page.title(), /^Search playground/)
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect("loads the origin of a figure and the time in full when they are asked for", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { faults, page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(`${url}t/acme/`)
            await page.getByRole("button", { name: "Exact" }).click()
            await page.getByRole("dialog").getByText("Exact to the last commit").waitFor()
            assert.deepStrictEqual(await violations(page), [])
            await page.keyboard.press("Escape")
            await page.getByRole("dialog").waitFor({ state: "hidden" })
            // 21:00 of the tenant's day is noon in UTC.
            await page.goto(`${url}t/acme/timeline/order/o-1001`)
            await page.getByText("21:00").hover()
            await page.getByText("2026-02-10 12:00:00 UTC").waitFor()
            await page.goto(`${url}t/acme/flags/pay-later`)
            await page.getByRole("time").first().hover()
            await page.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/).waitFor()
            await page.locator("h1").hover()
            await page.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/).waitFor({ state: "hidden" })
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect("finds an order by the keyboard alone", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(`${url}t/acme/keys`)
            await page.getByRole("heading", { level: 1 }).waitFor()
            await page.keyboard.press("/")
            await page.getByRole("combobox", { name: "Find anything" }).fill("o-1001")
            await page.getByRole("option", { name: "Order o-1001" }).waitFor()
            await page.keyboard.press("Enter")
            await page.getByText("Order placed: 1 line, 2 units").waitFor()
            assert.match(page.url(), /\/t\/acme\/timeline\/order\/o-1001$/)
            await page.close()
          })
        })
      )

      it.effect("shows a change by the stream alone, in every tab, with one stream for all of them", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const sql = yield* SqlClient.SqlClient
          const tabs = [yield* wide, yield* wide]
          const streams: Array<string> = []
          yield* Effect.promise(async () => {
            for (const { page } of tabs) {
              page.on("request", (request) => {
                if (request.url().includes("/v1/overview/live")) streams.push(request.url())
              })
              await page.goto(`${url}t/acme/queues`)
              await page.getByText("Live", { exact: true }).waitFor()
              assert.strictEqual(await page.getByText(Shop.arriving).count(), 0)
            }
          })
          yield* Shop.makeQueue(Shop.arriving).pipe(provide(Shop.acme))
          yield* Effect.promise(async () => {
            for (const { page } of tabs) await page.getByText(Shop.arriving).first().waitFor()
            assert.strictEqual(streams.length, 1)
            // The tab that held the stream closes, and another takes over.
            const [first, second] = tabs
            const taken = second?.page.waitForRequest("**/v1/overview/live**")
            await first?.page.close()
            await taken
            await second?.page.close()
          })
          yield* sql`
            DELETE FROM hm_event_dead
             WHERE queue = ${Shop.arriving}
          `
        })
      )

      it.effect("polls while there is no stream, and says so", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.route("**/v1/overview/live**", (route) => route.abort())
            await page.clock.install()
            await page.goto(`${url}t/acme/queues`)
            await page.getByText(/^Not live since \d\d:\d\d UTC/).waitFor()
            const asked = page.waitForRequest("**/v1/events/queues")
            await page.clock.runFor(30_000)
            await asked
            await page.close()
          })
        })
      )

      it.effect("opens the stream again a second after each break", () =>
        Effect.gen(function* () {
          const { secret, url, visit } = yield* Console
          const { page } = yield* visit
          yield* Effect.promise(async () => {
            await using proxy = await BreakingProxy.start(Number(new URL(url).port))
            await page.goto(`http://127.0.0.1:${proxy.port}/console/`)
            await page.getByLabel("Key").fill(secret)
            await page.getByRole("button", { name: "Sign in" }).click()
            await page.getByRole("navigation", { name: "Pages" }).waitFor()
            await page.clock.install()
            await page.goto(`http://127.0.0.1:${proxy.port}/console/t/acme/keys`)
            await page.getByText("Live", { exact: true }).waitFor()
            // From here on no time passes in the page but what the test lets pass.
            await page.clock.pauseAt(await page.evaluate(() => new Date().getTime() + 1_000))
            for (let breaks = 0; breaks < 3; breaks++) {
              await page.getByText("Live", { exact: true }).waitFor()
              proxy.breakAll()
              await page.getByText(/^Not live since/).waitFor()
              await page.clock.runFor(1_000)
            }
            await page.getByText("Live", { exact: true }).waitFor()
            await page.close()
          })
        })
      )

      it.effect(
        "shows the page of a domain that was added by its folder and one line, by hand or by new-domain",
        () =>
          Effect.gen(function* () {
            const { url, wide } = yield* Console
            const dist = yield* AddedDomain.built
            const { faults, page } = yield* wide
            const added = ["parcels", AddedDomain.made]
            yield* Effect.promise(async () => {
              await AddedDomain.serve(page, dist, added)
              await page.goto(`${url}t/acme/queues`)
              // The session's key has no scope of either domain, and is told so.
              await page.getByRole("link", { name: "Parcels" }).click()
              await page.getByText("Its key lacks the scope parcels:read").waitFor()
              await page.getByRole("link", { name: "Crates" }).click()
              await page.getByText("Its key lacks the scope crates:read").waitFor()
              await page.route("**/console/session", async (route) => {
                const session = await (await route.fetch()).text()
                const body = session.replaceAll(
                  '"events:admin"',
                  '"events:admin","parcels:read","crates:read"'
                )
                return route.fulfill({
                  contentType: "application/json",
                  body: body.replace('"domains":[', '"domains":["parcels","crates",')
                })
              })
              await page.goto(`${url}t/acme/parcels`)
              await page.getByText("There is no parcel").waitFor()
              assert.deepStrictEqual(await violations(page), [])
              await page.getByRole("link", { name: "Crates" }).click()
              await page.getByText("This page shows nothing yet").waitFor()
              assert.deepStrictEqual(await violations(page), [])
              await page.close()
            })
            assert.deepStrictEqual(faults, [])
          }).pipe(Effect.scoped)
      )

      it.effect("redrives the jobs of one error and says how many they were", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const sql = yield* SqlClient.SqlClient
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(`${url}t/acme/queues/${Shop.redriven}`)
            await page.getByRole("button", { name: "Rejected: no tax code" }).click()
            await page.getByRole("button", { name: "Redrive", exact: true }).click()
            const dialog = page.getByRole("alertdialog")
            await dialog.getByText(`Redrive 1 dead job of ${Shop.redriven}`).waitFor()
            await dialog.getByRole("button", { name: "Redrive" }).click()
            await page.getByText("1 job redriven").waitFor()
            await page.close()
          })
          const dead = yield* sql<{ readonly error: string }>`
            SELECT errors -> 0 ->> 'error' AS error
              FROM hm_event_dead
             WHERE tenant_id = ${Shop.acme} AND queue = ${Shop.redriven}
          `
          assert.deepStrictEqual(
            dead.filter(({ error }) => error.startsWith("Rejected")),
            []
          )
          assert.isAbove(dead.length, 0)
        })
      )

      for (const { act, expected, path, proof, title } of writes) {
        it.effect(title, () =>
          Effect.gen(function* () {
            const { addressOf, wide } = yield* Console
            const { page } = yield* wide
            yield* Effect.promise(async () => {
              await page.goto(addressOf("acme", path))
              await act(page)
              await page.close()
            })
            assert.deepEqual(yield* proof, expected)
          })
        )
      }

      it.effect(
        "tells a narrow key on every page which scope it lacks, and never that there is nothing",
        () =>
          Effect.gen(function* () {
            const { addressOf, narrow, url } = yield* Console
            const { faults, page } = yield* narrow
            yield* Effect.promise(async () => {
              for (const { path, requires } of pages) {
                if (requires === undefined) continue
                await page.goto(addressOf("acme", path))
                await page.getByText(`Its key lacks the scope ${requires}`).waitFor()
                assert.strictEqual(await page.locator(emptiness).count(), 0, path)
              }
              assert.deepStrictEqual(await violations(page), [])
              await page.goto(`${url}t/acme/`)
              await page.getByText("Not in this list: ").waitFor()
              await page.goto(`${url}t/acme/indexes/products`)
              assert.isTrue(
                await page.getByRole("button", { name: "Go back to the version before" }).isDisabled()
              )
              await page.close()
            })
            assert.deepStrictEqual(faults, [])
          })
      )

      it.effect("shows no page as empty when the API fails", () =>
        Effect.gen(function* () {
          const { addressOf, wide } = yield* Console
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.route("**/v1/**", (route) =>
              route.fulfill({
                status: 500,
                contentType: "application/problem+json",
                body: JSON.stringify({ type: "about:blank", title: "It broke", status: 500 })
              })
            )
            for (const { path, requires } of pages) {
              if (requires === undefined) continue
              await page.goto(addressOf("acme", path))
              await page.getByRole("alert").getByText("It broke").first().waitFor()
              assert.strictEqual(await page.locator(emptiness).count(), 0, path)
            }
            await page.close()
          })
        })
      )

      it.effect("tells a tenant without data what would fill each page", () =>
        Effect.gen(function* () {
          const { addressOf, bare } = yield* Console
          const { faults, page } = yield* bare
          yield* Effect.promise(async () => {
            for (const { empties, path } of pages) {
              if (empties === undefined) continue
              await page.goto(addressOf("bare", path))
              await page.locator(emptiness).first().waitFor()
              assert.strictEqual(await page.getByRole("alert").count(), 0, path)
            }
            assert.deepStrictEqual(await violations(page), [])
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect("says that the API cannot be reached, and shows nothing as empty", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.route("**/v1/events/**", (route) => route.abort())
            await page.goto(`${url}t/acme/queues`)
            await page.getByRole("alert").getByText("The API cannot be reached").waitFor()
            assert.strictEqual(await page.locator(emptiness).count(), 0)
            await page.close()
          })
        })
      )

      it.effect("keeps no secret in the browser, and signs out", () =>
        Effect.gen(function* () {
          const { secret, url, visit } = yield* Console
          const { faults, page } = yield* visit
          yield* Effect.promise(async () => {
            await page.goto(url)
            assert.deepStrictEqual(await violations(page), [])
            await page.getByLabel("Key").fill(secret)
            await page.getByRole("button", { name: "Sign in" }).click()
            await page.getByRole("heading", { name: "What needs you" }).waitFor()
            const kept = await page.evaluate(() =>
              [
                ...Object.values(localStorage),
                ...Object.values(sessionStorage),
                document.cookie,
                location.href
              ].join(" ")
            )
            assert.notInclude(kept, secret)
            assert.notInclude(await page.content(), secret)
            await page.getByRole("button", { name: "acme" }).click()
            await page.getByRole("menuitem", { name: "Sign out" }).click()
            await page.getByLabel("Key").waitFor()
            await page.goto(`${url}t/acme/queues`)
            await page.getByLabel("Key").waitFor()
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )
    }
  )
})
