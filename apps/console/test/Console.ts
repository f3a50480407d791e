/** The console at its address, in a real browser, against the real API. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Server from "@hypermarket/api/Server"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrationSets } from "@hypermarket/installation/domains"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import axe from "axe-core"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { BrowserContext, Page } from "playwright-core"
import { launch } from "./Chromium.ts"
import * as Shop from "./Shop.ts"

/** Longer than any condition that a page is waited for: a guard against hanging, never a statement about speed. */
const hangGuardMillis = 120_000

const layerConfig = ConfigProvider.layer(
  ConfigProvider.fromUnknown({
    HM_API_ACCESS_LOG: "false",
    HM_SECRETS_KEYS: `browser:${randomBytes(32).toString("base64")}`,
    HM_CONSOLE_FOLDER: join(import.meta.dirname, "../dist")
  })
)

/** The API with its database. */
export const layerServer = Server.layerRoutes(Layer.empty).pipe(
  Layer.provide([Shutdown.layer, layerConfig]),
  Layer.provideMerge(Layer.provide(Shop.layerServices, layerConfig)),
  Layer.provide(Wakeup.layerSend),
  Layer.provideMerge(TestDatabase.layer(...migrationSets)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

interface Opened {
  readonly page: Page
  /** Everything that a clean page has none of. */
  readonly faults: Array<string>
}

/** The console at its address, with sessions of a key each. */
export class Console extends Context.Service<
  Console,
  {
    readonly url: string
    readonly secret: string
    /** Of the operator of the installation. */
    readonly systemSecret: string
    /** Returns the address of a page of a tenant. */
    readonly addressOf: (tenantId: string, path: string) => string
    /** A page of a browser without a session. */
    readonly visit: Effect.Effect<Opened>
    readonly wide: Effect.Effect<Opened>
    readonly narrow: Effect.Effect<Opened>
    /** May all but see data of customers. */
    readonly blind: Effect.Effect<Opened>
    /** Of a tenant that has nothing yet. */
    readonly bare: Effect.Effect<Opened>
  }
>()("@hypermarket/console/test/Console") {
  static readonly layer = Layer.effect(
    Console,
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/console/`
      const secrets = yield* Shop.make
      const browser = yield* launch
      const makeContext = Effect.promise(async () => {
        const context = await browser.newContext({
          locale: "en-US",
          timezoneId: "UTC",
          viewport: { width: 1_440, height: 900 }
        })
        context.setDefaultTimeout(hangGuardMillis)
        // A violation of the policy is an event in the page, and becomes an error of it.
        await context.addInitScript(() =>
          addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective }) =>
            reportError(new Error(`policy: ${violatedDirective} ${blockedURI}`))
          )
        )
        return context
      })
      const open = (context: BrowserContext): Effect.Effect<Opened> =>
        Effect.promise(async () => {
          const page = await context.newPage()
          const faults: Array<string> = []
          page.on("console", (message) => {
            if (message.type() === "error" || message.type() === "warning") faults.push(message.text())
          })
          page.on("pageerror", (error) => faults.push(error.message))
          page.on("request", (request) => {
            if (!request.url().startsWith(new URL(url).origin)) faults.push(`outside: ${request.url()}`)
          })
          return { page, faults }
        })
      const signedIn = (secret: string) =>
        Effect.gen(function* () {
          const context = yield* makeContext
          const { page } = yield* open(context)
          yield* Effect.promise(async () => {
            await page.goto(url)
            await page.getByLabel("Key").fill(secret)
            await page.getByRole("button", { name: "Sign in" }).click()
            await page.getByRole("navigation", { name: "Pages" }).waitFor()
            await page.close()
          })
          return context
        })
      const wide = yield* signedIn(secrets.wide)
      const narrow = yield* signedIn(secrets.narrow)
      const blind = yield* signedIn(secrets.blind)
      const bare = yield* signedIn(secrets.bare)
      return {
        url,
        secret: secrets.wide,
        systemSecret: secrets.system,
        addressOf: (tenantId, path) =>
          Object.entries(secrets.ids).reduce(
            (address, [name, id]) => address.replace(`$${name}`, id),
            `${url}t/${tenantId}${path}`
          ),
        visit: Effect.flatMap(makeContext, open),
        wide: open(wide),
        narrow: open(narrow),
        blind: open(blind),
        bare: open(bare)
      }
    })
  )
}

declare global {
  interface Window {
    readonly axe: typeof axe
  }
}

/** The theme changes colours alone: the second one is asked for their contrast. */
export const themes = [
  { theme: "light", rules: undefined },
  { theme: "dark", rules: ["color-contrast"] }
] as const

const standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

/** Returns the rules of accessibility that the page breaks. */
export const violations = async (
  page: Page,
  only?: ReadonlyArray<string>
): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  return page.evaluate(
    async (runOnly) => {
      const { violations } = await window.axe.run(document, { runOnly })
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
    },
    only === undefined
      ? { type: "tag" as const, values: standards }
      : { type: "rule" as const, values: [...only] }
  )
}
