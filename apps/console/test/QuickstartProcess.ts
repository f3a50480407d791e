/** A quickstart in an empty folder, for the scripts that draw pictures of it. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

export const root = join(import.meta.dirname, "../../..")

/** Longer than any condition that a page is waited for, on a busy machine. */
export const hangGuardMillis = 120_000

/** Starts the quickstart, and returns the link to its console. It ends with the scope, and takes its folder with it. */
export const quickstart = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "hm-pictures-"))
      const child = spawn(
        process.execPath,
        [
          join(root, "apps/cli/src/main.ts"),
          "quickstart",
          "--data-dir",
          join(folder, "data"),
          "--port",
          "0",
          ...args
        ],
        { cwd: folder, stdio: ["ignore", "pipe", "inherit"] }
      )
      return { child, folder }
    }),
    ({ child, folder }) =>
      Effect.callback<void>((resume) => {
        child.once("exit", () => {
          rmSync(folder, { recursive: true, force: true })
          resume(Effect.void)
        })
        child.kill("SIGINT")
      })
  ).pipe(
    Effect.flatMap(({ child }) =>
      Effect.promise(async () => {
        for await (const line of createInterface({ input: child.stdout })) {
          const [link] = /http:\S+\/console\/#\S+/.exec(line) ?? []
          if (link !== undefined) {
            child.stdout.resume()
            return link
          }
        }
        throw new TypeError("the quickstart ended without a link to the console")
      })
    )
  )
