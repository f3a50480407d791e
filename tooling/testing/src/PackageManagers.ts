/**
 * Installs packed packages with npm, pnpm and yarn, and loads them with `import` and `require` on the Nodes that the packages
 * name. Run by `packaging.ts`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as Command from "./Command.ts"

class InstallFailed extends Schema.TaggedError<InstallFailed>()("InstallFailed", {
  message: Schema.String
}) {}

/** A package of ours in the folder of the tarballs. */
export interface Packed {
  readonly name: string
  readonly tarball: string
}

/** The oldest Node that the packages promise, and one that is too old for the command. */
const nodes = { oldest: "22.19.0", tooOld: "18.20.8" } as const

const managers = {
  npm: ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"],
  pnpm: ["npx", "-y", "pnpm@12.21.0", "install", "--prefer-offline", "--config.confirm-modules-purge=false"],
  yarn: ["npx", "-y", "yarn@1.22.22", "install", "--no-lockfile", "--prefer-offline", "--silent"]
} as const

type Manager = keyof typeof managers

export const managerNames: ReadonlyArray<Manager> = ["npm", "pnpm", "yarn"]

/** Publishes to no database: loading, and a value of each module, are what differs between managers and Nodes. */
const checks = `
if (typeof events.Events.Events !== "function") throw new Error("@hypermarket/events")
if (typeof promises.connect !== "function") throw new Error("@hypermarket/core/Promises")
if (typeof client.createClient !== "function") throw new Error("@hypermarket/client")
console.log("loaded on " + process.versions.node)
`

const asModule = `import * as events from "@hypermarket/events"
import * as promises from "@hypermarket/core/Promises"
import * as client from "@hypermarket/client"
${checks}`

const asScript = `const events = require("@hypermarket/events")
const promises = require("@hypermarket/core/Promises")
const client = require("@hypermarket/client")
${checks}`

const environmentOf = (overrides: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(
    Object.entries({ ...process.env, ...overrides }).flatMap(([name, value]) =>
      // What pnpm tells its scripts, npm would take for settings.
      value === undefined || /^p?npm_/i.test(name) ? [] : [[name, value]]
    )
  )

const mustRun = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>, cwd: string) {
  const { code, stderr, stdout } = yield* Command.run(command, args, { cwd, env: environmentOf({}) })
  return code === 0
    ? stdout
    : yield* new InstallFailed({
        message: `${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`
      })
})

/** Installs the older Nodes, as the packages of npm that they are. Fails without a network that has them. */
export const installNodes = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(folder)
  const dependencies = { oldest: `npm:node@${nodes.oldest}`, "too-old": `npm:node@${nodes.tooOld}` }
  yield* fs.writeFileString(`${folder}/package.json`, JSON.stringify({ private: true, dependencies }))
  yield* mustRun("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], folder)
  const binaryOf = (name: string) => Path.join(folder, "node_modules", name, "bin/node")
  const found = { oldest: binaryOf("oldest"), tooOld: binaryOf("too-old") }
  for (const [name, binary] of Object.entries(found)) {
    const version = yield* mustRun(binary, ["--version"], folder)
    if (version.trim() !== `v${nodes[name as keyof typeof nodes]}`)
      return yield* new InstallFailed({ message: `${binary} is ${version}` })
  }
  return found
})

/**
 * Installs the libraries in an empty project. None of them is in a registry yet, so what they require of each other is
 * replaced by the tarballs in the way of each manager.
 */
export const install = Effect.fnUntraced(function* (
  manager: Manager,
  folder: string,
  tarballs: string,
  packed: ReadonlyArray<Packed>,
  peers: Readonly<Record<string, string>>
) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(folder)
  const own = Object.fromEntries(
    packed.map(({ name, tarball }) => [name, `file:${Path.join(tarballs, tarball)}`])
  )
  const manifest = {
    name: `adopter-${manager}`,
    version: "1.0.0",
    private: true,
    dependencies: { ...own, ...peers },
    ...(manager === "npm" ? { overrides: own } : {}),
    ...(manager === "yarn" ? { resolutions: own } : {})
  }
  yield* fs.writeFileString(`${folder}/package.json`, JSON.stringify(manifest, null, 2))
  if (manager === "pnpm") {
    const lines = Object.entries(own).map(
      ([name, file]) => `  ${JSON.stringify(name)}: ${JSON.stringify(file)}`
    )
    yield* fs.writeFileString(`${folder}/pnpm-workspace.yaml`, `overrides:\n${lines.join("\n")}\n`)
  }
  yield* fs.writeFileString(`${folder}/module.mjs`, asModule)
  yield* fs.writeFileString(`${folder}/script.cjs`, asScript)
  const [command, ...args] = managers[manager]
  yield* mustRun(command, args, folder)
})

/** Loads what is installed with `import` and with `require`. */
export const load = Effect.fnUntraced(function* (node: string, folder: string) {
  for (const script of ["module.mjs", "script.cjs"]) {
    const stdout = yield* mustRun(node, [script], folder)
    if (!stdout.startsWith("loaded on ")) return yield* new InstallFailed({ message: stdout })
  }
})

/** The command says in one line which Node it needs. */
export const refuse = Effect.fnUntraced(function* (node: string, script: string, cwd: string) {
  const { code, stderr, stdout } = yield* Command.run(node, [script, "--version"], {
    cwd,
    env: environmentOf({})
  })
  const isRefused =
    code === 1 && stdout === "" && /^hypermarket needs Node \S+ or newer; this is \S+\n$/.test(stderr)
  if (!isRefused) return yield* new InstallFailed({ message: `ended with ${code}\n${stdout}${stderr}` })
})
