/** The command that makes a release, in a workspace of two packages, and without pnpm on the path. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Command from "@hypermarket/testing/Command"
import { Effect, FileSystem, Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../..")

const Root = Schema.fromJsonString(
  Schema.Struct({ packageManager: Schema.String, scripts: Schema.Record(Schema.String, Schema.String) })
)
const Fields = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const Version = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const read = (file: string): string => Fs.readFileSync(file, "utf8")
const { packageManager, scripts } = Schema.decodeSync(Root)(read(`${root}/package.json`))

/** As on a machine where nothing is installed globally. Settings of npm's and pnpm's scripts are left out. */
const environment = (): Readonly<Record<string, string>> => {
  const hasOnly = (folder: string, name: string) =>
    Fs.existsSync(Path.join(folder, name)) && !Fs.existsSync(Path.join(folder, "npx"))
  const folders = (process.env["PATH"] ?? "").split(Path.delimiter)
  const others = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^p?npm_/i.test(name) ? [] : [[name, value] as const]
  )
  return {
    ...Object.fromEntries(others),
    PATH: folders.filter((folder) => !hasOnly(folder, "pnpm")).join(Path.delimiter)
  }
}

/** Two packages that are versioned together, of which one depends on the other, and a changeset. */
const makeWorkspace = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "hm-versions-" })
  const write = (file: string, content: unknown) => {
    Fs.mkdirSync(Path.dirname(`${folder}/${file}`), { recursive: true })
    Fs.writeFileSync(`${folder}/${file}`, typeof content === "string" ? content : JSON.stringify(content))
  }
  const script = scripts["version-packages"] ?? ""
  write("package.json", { name: "shop", private: true, scripts: { "version-packages": script } })
  write("pnpm-workspace.yaml", "packages:\n  - packages/*\n")
  write("packages/till/package.json", { name: "till", version: "0.0.0" })
  write("packages/shelf/package.json", {
    name: "shelf",
    version: "0.0.0",
    dependencies: { till: "workspace:^" }
  })
  write(".changeset/config.json", {
    ...Schema.decodeSync(Fields)(read(`${root}/.changeset/config.json`)),
    fixed: [["till", "shelf"]]
  })
  write(".changeset/opens-on-sunday.md", '---\n"till": minor\n---\n\nThe till opens on Sunday.\n')
  // Not the folder itself: pnpm would write into it.
  Fs.mkdirSync(`${folder}/node_modules/@changesets`, { recursive: true })
  Fs.mkdirSync(`${folder}/node_modules/.bin`)
  Fs.symlinkSync(`${root}/node_modules/@changesets/cli`, `${folder}/node_modules/@changesets/cli`)
  Fs.writeFileSync(
    `${folder}/node_modules/.bin/changeset`,
    `#!/bin/sh\nexec "${root}/node_modules/.bin/changeset" "$@"\n`,
    { mode: 0o755 }
  )
  return folder
})

const versionOf = (file: string) => Schema.decodeSync(Version)(read(file)).version

layer(NodeServices.layer)("version-packages", (it) => {
  it.effect("writes versions and changelogs, removes the changesets, and bumps nothing a second time", () =>
    Effect.gen(function* () {
      const folder = yield* makeWorkspace
      const run = Command.run("npx", ["-y", packageManager, "version-packages"], {
        cwd: folder,
        env: environment()
      })
      const state = () => ({
        versions: ["till", "shelf"].map((name) => versionOf(`${folder}/packages/${name}/package.json`)),
        changesets: Fs.readdirSync(`${folder}/.changeset`).filter((name) => name.endsWith(".md"))
      })
      const first = yield* run
      assert.strictEqual(first.code, 0, `${first.stdout}${first.stderr}`)
      assert.deepStrictEqual(state(), { versions: ["0.1.0", "0.1.0"], changesets: [] })
      assert.include(read(`${folder}/packages/till/CHANGELOG.md`), "The till opens on Sunday.")
      assert.notStrictEqual((yield* run).code, 0)
      assert.deepStrictEqual(state(), { versions: ["0.1.0", "0.1.0"], changesets: [] })
    })
  )
})
