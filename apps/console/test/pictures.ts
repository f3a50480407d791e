/**
 * `pnpm console:screenshots`: starts the quickstart in an empty folder, opens the link that it prints, and answers by clicks what a new
 * user asks. The pages on the way become `docs/console/*.png`, in both themes, with the clock of the browser fixed. It ends with 1 when
 * an answer is not found.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import { Effect } from "effect"
import * as EffectConsole from "effect/Console"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { launch } from "./Chromium.ts"
import { hangGuardMillis, quickstart, root } from "./QuickstartProcess.ts"

const pictures = join(root, "docs/console")

/** The day after the sample's last one, at noon. */
const clockAt = new Date("2017-12-31T12:00:00Z")

const pictureOf = async (page: Page, name: string): Promise<void> => {
  for (const theme of ["light", "dark"] as const) {
    await page.evaluate((value) => (document.documentElement.dataset["theme"] = value), theme)
    await page.screenshot({ path: join(pictures, `${name}-${theme}.png`), animations: "disabled" })
  }
}

const menu = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click()

/** Questions of a new user, each answered from the page before it and by clicks alone. */
const questions: ReadonlyArray<{ readonly question: string; readonly find: (page: Page) => Promise<void> }> =
  [
    {
      question: "What is broken?",
      find: async (page) => {
        await page.getByRole("heading", { level: 1, name: "What needs you" }).waitFor()
        await page.getByRole("button", { name: "Exact" }).waitFor()
        await pictureOf(page, "overview")
      }
    },
    {
      question: "What was sold in November 2017 by category, and is it exact?",
      find: async (page) => {
        await menu(page, "Sales")
        await page.getByLabel("From").fill("2017-11-01")
        await page.getByLabel("to", { exact: true }).fill("2017-11-30")
        await page.getByText("1 Nov 2017 to 30 Nov 2017").waitFor()
        await page.getByRole("button", { name: "Category" }).click()
        await page
          .getByRole("table", { name: "Net revenue by Category" })
          .getByText("Technology/Phones")
          .waitFor()
        await page.getByRole("button", { name: "Exact" }).click()
        await page.getByText("Exact to the last commit").waitFor()
        await page.keyboard.press("Escape")
        await pictureOf(page, "sales")
      }
    },
    {
      question: 'Why is "Canon PC940 Copier" first for "canon coppier"?',
      find: async (page) => {
        await menu(page, "Search playground")
        await page.getByLabel("Query").fill("canon coppier")
        await page.getByText("typo", { exact: true }).first().waitFor()
        const first = page
          .getByRole("region", { name: "Side A" })
          .getByText("PC940", { exact: false })
          .first()
        await first.click()
        await page.getByText("Share of the words found").first().waitFor()
        await page.getByText("Score").first().waitFor()
        await pictureOf(page, "search")
      }
    },
    {
      question: "What happened to order CA-2017-100111?",
      find: async (page) => {
        await page.keyboard.press("/")
        await page.getByRole("combobox", { name: "Find anything" }).fill("CA-2017-100111")
        await page.getByRole("option", { name: "Order CA-2017-100111" }).click()
        await page.getByRole("heading", { level: 1, name: "Order CA-2017-100111" }).waitFor()
        await page
          .getByText(/Order placed: \d+ lines?/)
          .first()
          .waitFor()
        await pictureOf(page, "timeline")
      }
    }
  ]

const program = Effect.gen(function* () {
  const link = yield* quickstart()
  const browser = yield* launch
  mkdirSync(pictures, { recursive: true })
  const page = yield* Effect.promise(async () => {
    const context = await browser.newContext({
      locale: "en-US",
      timezoneId: "UTC",
      viewport: { width: 1_440, height: 900 },
      reducedMotion: "reduce"
    })
    context.setDefaultTimeout(hangGuardMillis)
    const opened = await context.newPage()
    await opened.clock.setFixedTime(clockAt)
    await opened.goto(link)
    return opened
  })
  for (const { find, question } of questions) {
    const began = performance.now()
    yield* Effect.promise(() => find(page))
    const seconds = ((performance.now() - began) / 1_000).toFixed(1)
    yield* EffectConsole.log(`${question} Found after ${seconds} s.`)
  }
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
