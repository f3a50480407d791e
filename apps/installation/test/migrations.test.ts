import { assert, describe, it } from "@effect/vitest"
import * as Release from "@hypermarket/core/Release"
import { migrationSets } from "@hypermarket/installation/domains"
import * as Frozen from "./frozenMigrations.ts"

const all = migrationSets.flatMap((set) =>
  set.migrations.map((migration) => ({ ...migration, domain: set.domain }))
)

/** Releases that are announced as maintenance: their migrations may keep writers or readers out. */
const maintenanceReleases: ReadonlyArray<string> = []

describe("the migrations of all domains", () => {
  it("are the frozen ones: run node apps/installation/test/frozenMigrations.ts --update for a new one", () => {
    assert.isNotEmpty(all)
    assert.deepStrictEqual(Frozen.current(), Frozen.listed())
  })

  it("may be frozen anew before the first release, and only be added to after it", () => {
    const before = { "a 0001_x": "1", "a 0002_y": "2" }
    const added = { ...before, "a 0003_z": "3" }
    const edited = { ...before, "a 0001_x": "4" }
    assert.deepStrictEqual(Frozen.updated(before, edited, Frozen.unreleased), edited)
    assert.deepStrictEqual(Frozen.updated(before, added, "0.1.0"), added)
    assert.throws(() => Frozen.updated(before, edited, "0.1.0"), /a 0001_x has been released/)
    assert.throws(() => Frozen.updated(before, { "a 0001_x": "1" }, "0.1.0"), /a 0002_y has been released/)
  })

  for (const { domain, id, name, oldestRelease, since } of all) {
    it(`leave the previous minor release at work after ${domain} ${id}_${name}`, () => {
      assert.isTrue(
        Release.isPreviousMinor(oldestRelease, since),
        `added by ${since}, it works with ${oldestRelease} and newer only`
      )
    })
  }

  it("keep nobody out unless their release is announced as maintenance", () => {
    const blocking = all.filter(
      ({ locks, since }) => (locks === "writes" || locks === "all") && !maintenanceReleases.includes(since)
    )
    assert.deepStrictEqual(blocking, [])
  })

  it("are of no later release than their package will have next", () => {
    const [next = "0.1.0"] = Frozen.release === Frozen.unreleased ? [] : [Frozen.release]
    const [major = 0, minor = 0] = next.split(".").map(Number)
    const latest = Frozen.release === Frozen.unreleased ? next : `${major}.${minor + 1}.0`
    assert.deepStrictEqual(
      all.filter(({ since }) => Release.isOlder(latest, since)),
      []
    )
  })
})
