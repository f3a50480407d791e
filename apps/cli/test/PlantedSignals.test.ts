import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as PlantedSignals from "#plantedSignals"

const seeds = Array.from({ length: 300 }, (_, index) => index * 37 + 5)

describe("planted signals", () => {
  it("follow from their seed, and another seed plants others", () => {
    const plans = seeds.map((seed) => JSON.stringify(PlantedSignals.plan(seed)))
    assert.deepStrictEqual(
      plans,
      seeds.map((seed) => JSON.stringify(PlantedSignals.plan(seed)))
    )
    assert.lengthOf(new Set(plans), seeds.length)
    const shapes = seeds.map((seed) =>
      JSON.stringify(PlantedSignals.plan(seed).attacks.map(({ before }) => before.length))
    )
    assert.isAbove(new Set(shapes).size, 100)
  })

  it("are marked as simulated, each subject and entity but addresses of documentation", () => {
    for (const seed of seeds) {
      const { attacks, good } = PlantedSignals.plan(seed)
      for (const signal of [...good, ...attacks.flatMap(({ before, tries }) => [...before, ...tries])]) {
        const names = JSON.stringify(signal).matchAll(/"(?:subject|account|card|device|ip)":"([^"]+)"/g)
        for (const [, name] of names) {
          assert.match(name ?? "", new RegExp(`^(simulated-${seed}-|198\\.51\\.100\\.|203\\.0\\.113\\.)`))
        }
      }
    }
  })

  it("come from a script that knows no rule", () => {
    const script = readFileSync(new URL("../src/quickstart/PlantedSignals.ts", import.meta.url), "utf8")
    assert.deepStrictEqual(
      Array.from(script.matchAll(/from "(.*)"/g), ([, module]) => module),
      ["@hypermarket/core/Bucketing", "effect/Schema"]
    )
  })
})
