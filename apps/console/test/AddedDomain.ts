/** The console with two domains more: one added as the README says, one as `pnpm new-domain` adds it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Skeleton from "@hypermarket/testing/Skeleton"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { cp, mkdtemp, readFile, rm, symlink, writeFile, mkdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { extname, join } from "node:path"
import type { Page } from "playwright-core"
import { build } from "vite"

const root = join(import.meta.dirname, "..")

/** Returns the code blocks under a heading of the README. */
const blocksUnder = async (heading: string): Promise<ReadonlyArray<string>> => {
  const readme = await readFile(join(root, "README.md"), "utf8")
  const section = readme.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? ""
  return Array.from(section.matchAll(/```tsx?\n([\s\S]*?)```/g), ([, block = ""]) => block)
}

/** The domain of the skeleton. */
export const made = "crates"

/** Copies the sources, adds each folder and line, and builds. Returns the folder of the files. */
const addedTo = (pages: Effect.Success<ReturnType<typeof Skeleton.renderConsole>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "hm-console-"))
      for (const name of ["src", "public", "index.html", "package.json", "vite.config.ts"]) {
        await cp(join(root, name), join(folder, name), { recursive: true })
      }
      await symlink(join(root, "node_modules"), join(folder, "node_modules"))
      const [registration = "", page = "", line = ""] = await blocksUnder("Add the pages of a domain")
      const parcels = join(folder, "src/domains/parcels")
      await mkdir(parcels)
      await writeFile(join(parcels, "index.ts"), registration)
      await writeFile(join(parcels, "Parcels.tsx"), page)
      const own = join(folder, "src/domains", made)
      await mkdir(own)
      for (const { path, text } of pages) await writeFile(join(own, path), text)
      await writeFile(join(folder, "src/domains.ts"), line + Skeleton.consoleLine(made), { flag: "a" })
      await build({ root: folder, configFile: join(folder, "vite.config.ts"), logLevel: "error" })
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

export const built = Skeleton.renderConsole(made).pipe(
  Effect.provide(NodeServices.layer),
  Effect.flatMap(addedTo),
  Effect.map((folder) => join(folder, "dist"))
)

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2"
}

/** Lets a page load these files, and its session name the domains as ones that are installed. The rest is the API's. */
export const serve = async (page: Page, dist: string, domains: ReadonlyArray<string>): Promise<void> => {
  await page.route("**/console/**", async (route) => {
    const { pathname } = new URL(route.request().url())
    if (pathname === "/console/session") {
      const answer = await route.fetch()
      const session: { readonly domains: ReadonlyArray<string> } = await answer.json()
      return route.fulfill({ json: { ...session, domains: [...session.domains, ...domains] } })
    }
    const file = join(dist, pathname.replace("/console/", ""))
    const path = extname(file) !== "" && existsSync(file) ? file : join(dist, "index.html")
    return route.fulfill({ path, contentType: types[extname(path)] ?? "application/octet-stream" })
  })
}
