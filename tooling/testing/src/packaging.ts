/**
 * Shows that the published packages work where they are installed. Packs and lints them, installs the tarballs with npm
 * into empty projects, type-checks and loads every module, runs the README examples against a Postgres, and runs the
 * packed command's quickstart. Run after `pnpm build`, by `pnpm hygiene`.
 *
 * With the argument `managers` it installs some of them with npm, pnpm and yarn instead, and loads them on the Nodes that they
 * name: `pnpm managers`.
 *
 * Prints one line a check and exits with 1 when one fails.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import * as Main from "@hypermarket/core/Main"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import * as Command from "./Command.ts"
import * as PackageManagers from "./PackageManagers.ts"

class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", { message: Schema.String }) {}

class PackagingFailed extends Schema.TaggedError<PackagingFailed>()("PackagingFailed", {}) {
  // The lines have said it.
  override readonly [Runtime.errorReported] = false
}

const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    version: Schema.String,
    private: Schema.optionalKey(Schema.Boolean),
    bin: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    peerDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)

/** The output of `quickstart --exit --json`; the CLI's own tests look closer. */
const Quickstart = Schema.fromJsonString(
  Schema.Struct({ apiUrl: Schema.String, apiKey: Schema.String, durationMillis: Schema.Int })
)

const root = Path.resolve(import.meta.dirname, "../../..")

interface Published {
  readonly name: string
  readonly folder: string
  /** The name of its tarball. */
  readonly tarball: string
  readonly peers: ReadonlyArray<string>
  /** Its public modules, `index` among them; empty for a command. */
  readonly modules: ReadonlyArray<string>
}

const readManifest = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(`${folder}/package.json`)
  return yield* Schema.decodeEffect(Manifest)(text)
})

/** Every package that is not private, in the folders that hold such. */
const findPublished = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const found: Array<Published> = []
  for (const parent of ["packages", "apps"]) {
    for (const name of (yield* fs.readDirectory(`${root}/${parent}`)).toSorted()) {
      const folder = `${root}/${parent}/${name}`
      if (!(yield* fs.exists(`${folder}/package.json`))) continue
      const manifest = yield* readManifest(folder)
      if (manifest.private === true) continue
      const sources = yield* fs.readDirectory(`${folder}/src`)
      found.push({
        name: manifest.name,
        folder,
        tarball: `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`,
        peers: Object.keys(manifest.peerDependencies ?? {}),
        modules:
          manifest.bin === undefined
            ? sources.filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -".ts".length))
            : []
      })
    }
  }
  return found
})

/** Runs a command that must end with 0; else what it wrote is the failure. */
const mustRun = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {}
) {
  const { code, stderr, stdout } = yield* Command.run(command, args, {
    cwd,
    // A package that claims a Node version is tried on it: the one of the repository, not the machine's.
    env: {
      ...inherited,
      ...env,
      PATH: `${root}/node_modules/.bin:${inherited.PATH ?? ""}`
    }
  })
  if (code !== 0) {
    return yield* new CheckFailed({
      message: `${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`
    })
  }
  return stdout
})

/** The own environment without what pnpm tells its scripts, which npm would take for settings. */
const inherited = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^p?npm_/i.test(name) ? [] : [[name, value]]
  )
)

const npmInstall = (cwd: string, packages: ReadonlyArray<string>) =>
  mustRun("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--save-exact", ...packages], cwd)

/** The version that the workspace's tests ran with. */
const installedVersion = Effect.fnUntraced(function* (name: string, from: ReadonlyArray<Published>) {
  const fs = yield* FileSystem.FileSystem
  for (const folder of [
    ...from.map((one) => one.folder),
    `${root}/tooling/testing`,
    `${root}/tooling/adoption`,
    root
  ]) {
    const place = `${folder}/node_modules/${name}`
    if (yield* fs.exists(place)) return `${name}@${(yield* readManifest(place)).version}`
  }
  return yield* new CheckFailed({ message: `${name} is not installed in the workspace` })
})

const requireBuilt = Effect.fnUntraced(function* ({ folder, modules }: Published) {
  const fs = yield* FileSystem.FileSystem
  const files = modules.length === 0 ? ["main.js"] : modules.flatMap((name) => [`${name}.js`, `${name}.d.ts`])
  for (const file of files) {
    if (!(yield* fs.exists(`${folder}/dist/${file}`))) {
      return yield* new CheckFailed({ message: `dist/${file} is missing: run \`pnpm build\` first` })
    }
  }
})

const exact = {
  target: "ES2024",
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  allowImportingTsExtensions: true,
  types: ["node"]
}

/** A folder with nothing but a manifest, as an adopter begins. */
const emptyProject = Effect.fnUntraced(function* (parent: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const folder = `${parent}/${name}`
  yield* fs.makeDirectory(folder)
  yield* fs.writeFileString(`${folder}/package.json`, JSON.stringify({ name, private: true, type: "module" }))
  return folder
})

/** An example of a README. */
interface Example {
  readonly owner: Published
  /** Its name in the folder `examples` of its package. */
  readonly source: string
  /** Its name in the adopter's project. */
  readonly file: string
}

const examplesOf = Effect.fnUntraced(function* (published: ReadonlyArray<Published>) {
  const fs = yield* FileSystem.FileSystem
  const found: Array<Example> = []
  for (const owner of published) {
    const folder = `${owner.folder}/examples`
    if (!(yield* fs.exists(folder))) continue
    for (const source of (yield* fs.readDirectory(folder)).filter((file) => file.endsWith(".ts"))) {
      found.push({ owner, source, file: `${owner.name.slice(owner.name.indexOf("/") + 1)}-${source}` })
    }
  }
  return found
})

const writeProject = Effect.fnUntraced(function* (project: string, published: ReadonlyArray<Published>) {
  const fs = yield* FileSystem.FileSystem
  const specifiers = published.flatMap(({ modules, name }) =>
    modules.map((module) => (module === "index" ? name : `${name}/${module}`))
  )
  const lines = [
    ...specifiers.map((specifier, index) => `import * as m${index} from "${specifier}"`),
    `export const loaded = [${specifiers.map((_, index) => `m${index}`).join(", ")}]`
  ]
  yield* fs.writeFileString(`${project}/modules.ts`, `${lines.join("\n")}\n`)
  yield* fs.writeFileString(`${project}/tsconfig.json`, JSON.stringify({ compilerOptions: exact }))
  for (const { file, owner, source } of yield* examplesOf(published)) {
    yield* fs.copyFile(`${owner.folder}/examples/${source}`, `${project}/${file}`)
  }
})

const runExample = Effect.fnUntraced(function* (
  project: string,
  server: EmbeddedPostgres.Server,
  { file }: Example
) {
  const database = file.replaceAll(/\W+/g, "_")
  yield* Effect.flatMap(PgClient.PgClient, (sql) => sql`CREATE DATABASE ${sql(database)}`).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 }))
  )
  const url = new URL(server.url)
  url.pathname = `/${database}`
  yield* mustRun("node", [file], project, {
    DATABASE_URL: url.toString(),
    // A key of this run alone, for the domains that seal.
    HM_SECRETS_KEYS: `packaging:${randomBytes(32).toString("base64")}`
  })
})

/** Enough for every part of it. `.ci/run` replays the whole sample in another step. */
const ordersReplayed = "100"

const runQuickstart = Effect.fnUntraced(function* (project: string) {
  const args = ["hypermarket", "quickstart", "--exit", "--json", "--orders", ordersReplayed]
  const stdout = yield* mustRun("npx", args, project)
  yield* Schema.decodeEffect(Quickstart)(stdout)
})

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const startedAt = yield* Clock.currentTimeMillis
  let failures = 0

  /** Prints how a check went. What stands on it is left out when it fails. */
  const check = Effect.fnUntraced(function* <A, E, R>(claim: string, effect: Effect.Effect<A, E, R>) {
    const before = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(effect)
    const took = seconds((yield* Clock.currentTimeMillis) - before)
    if (result._tag === "Success") {
      yield* Console.log(`ok    ${claim} (${took})`)
      return true
    }
    failures++
    const reason = result.failure instanceof Error ? result.failure.message : String(result.failure)
    yield* Console.log(`FAIL  ${claim} (${took})\n${reason.trim().replaceAll(/^/gm, "      ")}`)
    return false
  })

  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "hm-packaging-" })
  // The quickstart's Postgres does not run as root, and is in there.
  yield* fs.chmod(folder, 0o755)
  const pack = Effect.fnUntraced(function* (one: Published) {
    const isPacked =
      (yield* check(`${one.name}: built`, requireBuilt(one))) &&
      (yield* check(
        `${one.name}: packed`,
        mustRun("pnpm", ["pack", "--pack-destination", folder], one.folder)
      ))
    return isPacked ? [one] : []
  })
  const packed = (yield* Effect.forEach(yield* findPublished, pack)).flat()
  const tarballs = packed.map((one) => Path.join(folder, one.tarball))
  const libraries = packed.filter((one) => one.modules.length > 0)

  const lintPackage = Effect.fnUntraced(function* (one: Published) {
    const tarball = Path.join(folder, one.tarball)
    yield* check(`${one.name}: publint`, mustRun("publint", ["run", tarball, "--strict"], folder))
    const modules = one.modules.filter((name) => name !== "index")
    yield* check(
      `${one.name}: types resolve for ESM (attw)`,
      mustRun(
        "attw",
        [
          tarball,
          "--profile",
          "esm-only",
          "--no-definitely-typed",
          "--no-color",
          ...(modules.length === 0 ? [] : ["--include-entrypoints", ...modules])
        ],
        folder
      )
    )
  })

  const adopt = Effect.gen(function* () {
    const peers = yield* Effect.forEach(
      new Set([
        ...libraries.flatMap((one) => one.peers),
        "@effect/platform-node",
        "typescript",
        "@types/node",
        // The driver of core's example.
        "pg",
        "@types/pg"
      ]),
      (name) => installedVersion(name, libraries)
    )
    const project = yield* emptyProject(folder, "adopter")
    const isInstalled = yield* check(
      `npm installs ${libraries.length} libraries into an empty project`,
      npmInstall(project, [...tarballs.filter((_, index) => packed[index]?.modules.length !== 0), ...peers])
    )
    if (!isInstalled) return
    yield* writeProject(project, libraries)
    yield* check("every public module and example type-checks there", mustRun("npx", ["tsc"], project))
    yield* check("every public module loads there", mustRun("node", ["modules.ts"], project))
    const server = yield* EmbeddedPostgres.start({ durability: "fast" })
    for (const example of yield* examplesOf(libraries)) {
      yield* check(
        `${example.owner.name}: examples/${example.source} runs there, against a Postgres`,
        runExample(project, server, example)
      )
    }
  })

  const operate = Effect.gen(function* () {
    const command = packed.find((one) => one.modules.length === 0)
    if (command === undefined) return
    const elsewhere = yield* emptyProject(folder, "operator")
    if (yield* check(`npm installs ${command.name} into an empty folder`, npmInstall(elsewhere, tarballs))) {
      yield* check(`npx ${command.name} quickstart --exit --json runs there`, runQuickstart(elsewhere))
    }
  })

  /** A stranger's library, client and queue: enough to see what a manager or a Node makes of packages that need each other. */
  const managed = packed.filter(({ name }) => /\/(?:core|queue|events|client)$/.test(name))
  const manage = Effect.gen(function* () {
    const versions = yield* Effect.forEach(["effect", "@effect/sql-pg"], (name) =>
      installedVersion(name, libraries)
    )
    const peers = Object.fromEntries(
      versions.map((text) => [text.slice(0, text.lastIndexOf("@")), text.slice(text.lastIndexOf("@") + 1)])
    )
    const nodes = yield* Effect.option(PackageManagers.installNodes(`${folder}/nodes`))
    if (Option.isNone(nodes)) yield* Console.log("skip  older Nodes: npm cannot install them here")
    for (const manager of PackageManagers.managerNames) {
      const project = `${folder}/with-${manager}`
      const install = PackageManagers.install(manager, project, folder, managed, peers)
      if (!(yield* check(`${manager} installs ${managed.length} packages into an empty project`, install))) {
        continue
      }
      const installed = [process.execPath, ...(Option.isSome(nodes) ? [nodes.value.oldest] : [])]
      for (const node of installed) {
        const version = node === process.execPath ? process.versions.node : "22.19.0"
        yield* check(
          `they load there with import and require on Node ${version}`,
          PackageManagers.load(node, project)
        )
      }
    }
    const command = packed.find((one) => one.modules.length === 0)
    if (Option.isSome(nodes) && command !== undefined) {
      const script = `${command.folder}/dist/main.js`
      yield* check(
        `${command.name} says on an older Node which one it needs`,
        PackageManagers.refuse(nodes.value.tooOld, script, folder)
      )
    }
  })

  // The command's quickstart waits for its database much of the time, and the linters are done meanwhile.
  const others = Effect.all([operate, Effect.andThen(adopt, Effect.forEach(packed, lintPackage))], {
    concurrency: 2
  })
  yield* process.argv.includes("managers") ? manage : others

  const took = seconds((yield* Clock.currentTimeMillis) - startedAt)
  yield* Console.log(
    `packaging: ${failures === 0 ? "every check passed" : `${failures} checks failed`}, ${took}`
  )
  if (failures > 0) return yield* new PackagingFailed()
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
