/** A headless Chromium that comes as a package, for Linux on x64. */
import chromium from "@sparticuz/chromium"
import { Effect, Schedule } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chromium as playwright } from "playwright-core"

/** False where the package has no binary; tests of the browser are skipped there. */
export const isAvailable = process.platform === "linux" && process.arch === "x64"

/** The reason why tests of the browser are skipped. */
export const absence = "its package has a binary for Linux on x64 only"

/** The binary is unpacked with mode 0700: a folder for this run leaves those of other users alone. */
const unpacked = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "hm-chromium-"))
    process.env["TMPDIR"] = folder
    return { folder, path: await chromium.executablePath() }
  }),
  ({ folder }) =>
    Effect.promise(async () => {
      delete process.env["TMPDIR"]
      await rm(folder, { recursive: true, force: true })
    })
)

/**
 * Starts the browser. It is tried again: on a loaded machine it ends now and then while it starts. The package's own
 * arguments are left out, as they switch site isolation off.
 */
export const launch = Effect.gen(function* () {
  const { path } = yield* unpacked
  return yield* Effect.acquireRelease(
    Effect.tryPromise(() =>
      playwright.launch({ executablePath: path, args: ["--no-sandbox"], headless: true })
    ).pipe(Effect.retry(Schedule.recurs(2)), Effect.orDie),
    (browser) => Effect.promise(() => browser.close())
  )
})
