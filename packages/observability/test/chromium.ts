/** A real browser, from npm. */
import chromium from "@sparticuz/chromium"
import { Effect, Schedule } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { chromium as playwright } from "playwright-core"

export const isChromiumAvailable = process.platform === "linux" && process.arch === "x64"

/** Unpacked with mode 0700, so that each run has a folder of its user. */
export const chromiumOf = Effect.gen(function* () {
  const path = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-chromium-"))
      process.env["TMPDIR"] = folder
      return { folder, path: await chromium.executablePath() }
    }),
    ({ folder }) =>
      Effect.sync(() => {
        delete process.env["TMPDIR"]
        Fs.rmSync(folder, { recursive: true, force: true })
      })
  )
  return yield* Effect.acquireRelease(
    Effect.tryPromise(() =>
      playwright.launch({ executablePath: path.path, args: ["--no-sandbox"], headless: true })
    ).pipe(Effect.retry(Schedule.recurs(2)), Effect.orDie),
    (browser) => Effect.promise(() => browser.close())
  )
})
