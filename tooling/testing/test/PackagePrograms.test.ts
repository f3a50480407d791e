import { assert, describe, it } from "@effect/vitest"
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import { afterEach, beforeEach } from "vitest"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

let root = ""

const write = (file: string) => {
  Fs.mkdirSync(Path.dirname(Path.join(root, file)), { recursive: true })
  Fs.writeFileSync(Path.join(root, file), "")
}

beforeEach(() => {
  root = Fs.mkdtempSync(Path.join(tmpdir(), "hm-test-programs-"))
  for (const folder of ["packages/parcels", "packages/lockers", "packages/depots", "apps/kiosk"])
    write(`${folder}/package.json`)
  for (const file of [
    "packages/parcels/benchmark/parcels.ts",
    "packages/parcels/benchmark/parcels/Engine.ts",
    "packages/parcels/benchmark/parcels.targets.json",
    "packages/parcels/benchmark/labels.ts",
    "packages/lockers/benchmark/doors.ts",
    "packages/lockers/benchmark/bolts.ts",
    "packages/lockers/soak/bolts.ts",
    "packages/lockers/src/benchmark/hidden.ts",
    "apps/kiosk/benchmark/screens.ts",
    "tooling/bench/benchmark/own.ts"
  ])
    write(file)
})

afterEach(() => Fs.rmSync(root, { recursive: true }))

const namesOf = (choice: PackagePrograms.Choice) =>
  choice._tag === "Programs" ? choice.programs.map(({ name }) => name) : choice

describe("The programs of packages", () => {
  it("are the files right in the folder of their kind, in packages and apps", () => {
    assert.deepStrictEqual(
      PackagePrograms.find("benchmark", root).map(({ folder, name }) => `${folder} ${name}`),
      [
        "packages/lockers bolts",
        "packages/lockers doors",
        "packages/parcels labels",
        "packages/parcels parcels",
        "apps/kiosk screens"
      ]
    )
    const [soak] = PackagePrograms.find("soak", root)
    assert.strictEqual(soak?.file, Path.join(root, "packages/lockers/soak/bolts.ts"))
  })

  it("are chosen by their own name first, then by that of their package", () => {
    assert.deepStrictEqual(namesOf(PackagePrograms.choose("benchmark", "parcels", root)), ["parcels"])
    assert.deepStrictEqual(namesOf(PackagePrograms.choose("benchmark", "lockers", root)), ["bolts", "doors"])
    assert.deepStrictEqual(namesOf(PackagePrograms.choose("benchmark", "kiosk", root)), ["screens"])
    assert.deepStrictEqual(namesOf(PackagePrograms.choose("soak", "lockers", root)), ["bolts"])
  })

  it("are none in a package that brings none, which is not an unknown name", () => {
    assert.deepStrictEqual(PackagePrograms.choose("benchmark", "depots", root), {
      _tag: "BringsNone",
      folder: "packages/depots"
    })
    assert.deepStrictEqual(PackagePrograms.choose("soak", "parcels", root), {
      _tag: "BringsNone",
      folder: "packages/parcels"
    })
    for (const name of ["letters", "", "..", "../packages/parcels", "Engine"])
      assert.deepStrictEqual(PackagePrograms.choose("benchmark", name, root), { _tag: "Unknown" }, name)
  })

  it("have one name each", () => {
    write("apps/kiosk/benchmark/doors.ts")
    assert.throws(() => PackagePrograms.find("benchmark", root), "two packages bring a benchmark doors")
  })
})
