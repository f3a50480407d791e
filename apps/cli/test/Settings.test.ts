import { assert, describe, it } from "@effect/vitest"
import * as Server from "@hypermarket/api/Server"
import { domains } from "@hypermarket/installation/domains"
import * as Operations from "@hypermarket/installation/Operations"
import * as Startup from "@hypermarket/installation/Startup"
import * as Worker from "@hypermarket/worker/Worker"
import * as ApiClient from "#ApiClient"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../..")
const reference = Path.join(root, "docs/operations.md")

const settings = [
  ...domains.flatMap((domain) => domain.settings),
  ...[Startup, Operations, Server, Worker, ApiClient].flatMap((module) => module.settings)
]
const names = settings.map((setting) => setting.name)

/** The names of environment variables that stand in the sources of packages and apps. */
const written = Fs.globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"], { cwd: root }).flatMap((file) =>
  Array.from(
    Fs.readFileSync(Path.join(root, file), "utf8").matchAll(/"((?:HM|DATABASE)_[A-Z_]+)"/g),
    ([, name]) => ({ file, name: name ?? "" })
  )
)

/** The names of metrics that are declared in the sources of packages and apps. */
const metrics = Fs.globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"], { cwd: root }).flatMap((file) =>
  Array.from(
    Fs.readFileSync(Path.join(root, file), "utf8").matchAll(
      /Metric\.(?:counter|gauge|histogram|summary)\(\s*"([^"]+)"/g
    ),
    ([, name]) => name ?? ""
  )
)

describe("the metrics", () => {
  it("stand in docs/operations.md, every one and no other", () => {
    const table = Fs.readFileSync(reference, "utf8").matchAll(/^\| `((?:hm|process|nodejs)_[a-z0-9_]+)` /gm)
    assert.sameMembers(
      Array.from(table, ([, name]) => name ?? ""),
      metrics
    )
    for (const name of metrics)
      assert.match(
        name,
        /^(?:(?:hm_[a-z]+|process|nodejs)_[a-z0-9_]+_(?:total|seconds|bytes|jobs|closed|open|failing|waiting|fds)|hm_build_info)$/
      )
  })
})

describe("the settings", () => {
  it("are all declared with a name of their own and a line of documentation", () => {
    assert.sameMembers(Array.from(new Set(names)), names)
    assert.include(names, "DATABASE_URL")
    for (const setting of settings) assert.match(setting.doc, /^[A-Z/a-z].{5,}\.$/, setting.name)
  })

  it("are the only variables that packages and apps read", () => {
    assert.isAbove(written.length, 10)
    for (const { file, name } of written) assert.include(names, name, file)
  })

  it("stand in docs/operations.md, every one", () => {
    const text = Fs.readFileSync(reference, "utf8")
    for (const name of names) assert.include(text, `\`${name}\``)
  })
})
