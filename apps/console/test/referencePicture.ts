/**
 * `pnpm reference:screenshots`: starts a short quickstart in an empty folder and opens the API reference of its API, at the
 * operation that a new user calls first. The page becomes `docs/reference-*.png`, in both themes.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import { Effect } from "effect"
import { join } from "node:path"
import { launch } from "./Chromium.ts"
import { hangGuardMillis, quickstart, root } from "./QuickstartProcess.ts"

const operation = "#tag/events/POST/v1/events"

const program = Effect.gen(function* () {
  const { origin } = new URL(yield* quickstart("--orders", "10"))
  const browser = yield* launch
  for (const colorScheme of ["light", "dark"] as const) {
    yield* Effect.promise(async () => {
      const context = await browser.newContext({
        colorScheme,
        locale: "en-US",
        timezoneId: "UTC",
        viewport: { width: 1_440, height: 900 },
        reducedMotion: "reduce"
      })
      context.setDefaultTimeout(hangGuardMillis)
      const page = await context.newPage()
      await page.goto(`${origin}/docs${operation}`)
      await page.getByText("Authorization: Bearer").first().waitFor()
      await page.getByRole("heading", { name: "Publish events" }).first().waitFor()
      await page.screenshot({ path: join(root, `docs/reference-${colorScheme}.png`), animations: "disabled" })
    })
  }
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
