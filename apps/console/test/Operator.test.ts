/** The page of the installation, and data of customers, in a real browser. */
import { assert, describe, layer } from "@effect/vitest"
import { AllTenants } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { Page } from "playwright-core"
import { absence, isAvailable } from "./Chromium.ts"
import { Console, layerServer, themes, violations } from "./Console.ts"
import { deliveryId, endpointId, executionId } from "./shop/events.ts"
import * as Watch from "./shop/watch.ts"

const signIn = async (page: Page, secret: string): Promise<void> => {
  await page.getByLabel("Key").fill(secret)
  await page.getByRole("button", { name: "Sign in" }).click()
}

const areAccessible = async (page: Page): Promise<void> => {
  for (const { rules, theme } of themes) {
    await page.evaluate((name) => (document.documentElement.dataset["theme"] = name), theme)
    assert.deepStrictEqual(await violations(page, rules), [], theme)
  }
}

describe.skipIf(!isAvailable)(`An operator in Chromium${isAvailable ? "" : `: ${absence}`}`, () => {
  layer(Console.layer.pipe(Layer.provideMerge(layerServer)), { excludeTestServices: true })(
    "against the API",
    (it) => {
      it.effect("sees checks, tenants, releases and settings of the installation, and no secret", () =>
        Effect.gen(function* () {
          const { systemSecret, url, visit } = yield* Console
          const sql = yield* SqlClient.SqlClient
          const { faults, page } = yield* visit
          const [row] = yield* sql<{ readonly release: string; readonly tenants: number }>`
            SELECT current_setting('server_version') AS release, count(*)::int AS tenants
              FROM hm_tenant
          `
          yield* Effect.promise(async () => {
            await page.goto(url)
            await signIn(page, systemSecret)
            await page.getByRole("heading", { level: 1, name: "System" }).waitFor()
            assert.match(page.url(), /\/console\/system$/)
            await page.getByText(/^\d+ findings in order$/).waitFor()
            await page.getByRole("table", { name: "Tenants" }).getByText("acme", { exact: true }).waitFor()
            assert.strictEqual(
              await page.getByRole("table", { name: "Tenants" }).locator("tbody tr").count(),
              row?.tenants
            )
            await page.getByText(row?.release ?? "none", { exact: true }).waitFor()
            const settings = page.getByRole("table", { name: "Settings" })
            await settings.getByText("HM_SECRETS_KEYS").waitFor()
            await page.getByLabel("Filter settings").fill("secrets_keys")
            await settings.getByText("set, not shown").waitFor()
            assert.notInclude(await page.content(), "browser:")
            await page.getByLabel("Filter settings").fill("")
            await page.getByText(/findings in order$/).click()
            await areAccessible(page)
            // It is a page of its address, which survives a reload.
            await page.reload()
            await page.getByRole("heading", { level: 1, name: "System" }).waitFor()
            await page.getByRole("button", { name: "Sign out" }).click()
            await page.getByLabel("Key").waitFor()
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect(
        "comes to the page by the link of hypermarket console --system, with a session or without",
        () =>
          Effect.gen(function* () {
            const { secret, url, visit } = yield* Console
            const keys = yield* ApiKeys
            const sessions = yield* ConsoleSessions
            const { apiKey } = yield* keys
              .createSystem("by a link")
              .pipe(Effect.provideService(AllTenants, { actor: "test" }))
            const link = Effect.map(
              sessions.issueCode(apiKey.apiKeyId),
              (code) => `${url}#code=${Redacted.value(code)}`
            )
            const [first, second] = [yield* link, yield* link]
            const { page } = yield* visit
            const { page: other } = yield* visit
            yield* Effect.promise(async () => {
              await page.goto(first)
              await page.getByRole("heading", { level: 1, name: "System" }).waitFor()
              assert.notInclude(page.url(), "code")
              await page.close()
              await other.goto(url)
              await signIn(other, secret)
              await other.getByRole("heading", { name: "What needs you" }).waitFor()
              await other.goto(second)
              await other.getByRole("button", { name: "Add the installation to this session" }).click()
              await other.getByRole("heading", { level: 1, name: "System" }).waitFor()
              await other.getByRole("link", { name: "acme" }).waitFor()
              await other.close()
            })
          })
      )

      it.effect("is told that the page of the installation needs an operator's key, and adds it", () =>
        Effect.gen(function* () {
          const { secret, systemSecret, url, visit } = yield* Console
          const { page } = yield* visit
          yield* Effect.promise(async () => {
            await page.goto(url)
            await signIn(page, secret)
            await page.getByRole("heading", { name: "What needs you" }).waitFor()
            await page.goto(`${url}system`)
            await page.getByText("with the scope system:admin").waitFor()
            await signIn(page, systemSecret)
            await page.getByRole("heading", { level: 1, name: "System" }).waitFor()
            // The session has both keys: the pages of the tenant are one link away, and this page is one item of its menu.
            await page.getByRole("link", { name: "acme" }).click()
            await page.getByRole("heading", { name: "What needs you" }).waitFor()
            await page.getByRole("button", { name: "acme" }).click()
            await page.getByRole("menuitem", { name: "System" }).click()
            await page.getByRole("heading", { level: 1, name: "System" }).waitFor()
            await page.close()
          })
        })
      )

      it.effect("shows the page as failed and not as healthy when its checks cannot be run", () =>
        Effect.gen(function* () {
          const { systemSecret, url, visit } = yield* Console
          const { page } = yield* visit
          yield* Effect.promise(async () => {
            await page.route("**/v1/system/**", (route) =>
              route.fulfill({
                status: 500,
                contentType: "application/problem+json",
                body: JSON.stringify({ type: "about:blank", title: "It broke", status: 500 })
              })
            )
            await page.goto(url)
            await signIn(page, systemSecret)
            await page.getByRole("alert").getByText("It broke").first().waitFor()
            assert.strictEqual(await page.getByText("Nothing needs a look").count(), 0)
            await page.close()
          })
        })
      )

      it.effect("sees rows without data of customers, and is told which scope shows it", () =>
        Effect.gen(function* () {
          const { addressOf, blind, url } = yield* Console
          const { faults, page } = yield* blind
          yield* Effect.promise(async () => {
            await page.goto(addressOf("acme", "/errors/$issueId"))
            await page.getByText("/app/src/basket.js:31").waitFor()
            await page.getByText("The rest of what the SDK sent is not shown").waitFor()
            for (const text of [Watch.buyer, Watch.voucher]) assert.notInclude(await page.content(), text)
            await areAccessible(page)
            await page.goto(`${url}t/acme/workflows/${executionId}`)
            await page.getByText("Payload and result are not shown").waitFor()
            assert.notInclude(await page.content(), '"orderId"')
            await page.goto(`${url}t/acme/webhooks/${endpointId}?delivery=${deliveryId}`)
            await page.getByText("The answer is not shown").waitFor()
            assert.notInclude(await page.content(), "The ERP is in maintenance")
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect("goes through the menu of the account by the keyboard, and closes it in three ways", () =>
        Effect.gen(function* () {
          const { url, wide } = yield* Console
          const { faults, page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(`${url}t/acme/keys`)
            const button = page.getByRole("button", { name: "acme" })
            const menu = page.getByRole("menu", { name: "Account" })
            const isFocused = (name: string) =>
              page.waitForFunction(
                (text) => document.activeElement?.textContent?.trim().startsWith(text) === true,
                name
              )
            await button.focus()
            await page.keyboard.press("Enter")
            await menu.waitFor()
            await isFocused("acme")
            assert.deepStrictEqual(await violations(page), [])
            await page.keyboard.press("ArrowUp")
            await isFocused("Sign out")
            await page.keyboard.press("ArrowDown")
            await isFocused("acme")
            await page.keyboard.press("End")
            await isFocused("Sign out")
            await page.keyboard.press("Escape")
            await menu.waitFor({ state: "hidden" })
            assert.strictEqual(await button.getAttribute("aria-expanded"), "false")
            assert.isTrue(await button.evaluate((element) => element === document.activeElement))
            await button.click()
            await menu.waitFor()
            const [below, above] = [await menu.boundingBox(), await button.boundingBox()]
            assert.isAtLeast(below?.y ?? 0, (above?.y ?? 0) + (above?.height ?? 0))
            await button.click()
            await menu.waitFor({ state: "hidden" })
            await button.click()
            await menu.waitFor()
            await page.locator("h1").click()
            await menu.waitFor({ state: "hidden" })
            await page.close()
          })
          assert.deepStrictEqual(faults, [])
        })
      )

      it.effect("sees the data with the scopes", () =>
        Effect.gen(function* () {
          const { addressOf, wide } = yield* Console
          const { page } = yield* wide
          yield* Effect.promise(async () => {
            await page.goto(addressOf("acme", "/errors/$issueId"))
            await page.getByText("Everything that the SDK sent").click()
            await page.getByText(Watch.buyer).waitFor()
            await page.getByText(Watch.voucher).waitFor()
            await page.close()
          })
        })
      )
    }
  )
})
