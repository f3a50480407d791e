import { assert, describe, it, layer } from "@effect/vitest"
import { type Groupable, hashesOf } from "@hypermarket/observability/EventGrouping"
import { SourceMapWork } from "@hypermarket/observability/SourceMapWork"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { capture, issuesOf, layerServer, newEventId, projectOf } from "./errorServer.ts"
import { exceptionsOf, linksOf, recorded, textOf } from "./recordedStacks.ts"
import { idOf, upload, zipOf } from "./uploads.ts"

const engines = Object.keys(recorded["plain"] ?? {})
const faults = Object.keys(recorded["plain"]?.["node-24"] ?? {})

/** JavaScriptCore removes frames whose function returns the call, in strict code: Bun's modules are strict. */
const keepsCallers = engines.filter((engine) => !engine.startsWith("bun"))
/** Only V8 and Bun have the callers that await; Firefox has others. */
const awaiting = { stock: engines.filter((engine) => /^(?:node|bun|chromium)/.test(engine)) }

const groupable = (build: string, engine: string, fault: string): Groupable => ({
  exceptions: exceptionsOf(engine, linksOf(build, engine, fault)).map(({ stacktrace, type, value }) => ({
    type,
    value,
    isSynthetic: false,
    frames: stacktrace.frames.map((frame) => ({
      function: frame.function,
      filename: frame.filename,
      absPath: frame.abs_path,
      module: frame.module,
      contextLine: undefined,
      inApp: frame.in_app
    }))
  })),
  frames: [],
  message: "",
  template: undefined,
  fingerprint: []
})

/** Puts what shares a hash into one group, as issues do. */
const groupsOf = (events: ReadonlyArray<readonly [string, ReadonlyArray<string>]>) => {
  const groups: Array<{ readonly names: Set<string>; readonly hashes: Set<string> }> = []
  for (const [name, hashes] of events) {
    const joined = groups.filter((group) => hashes.some((hash) => group.hashes.has(hash)))
    for (const group of joined) groups.splice(groups.indexOf(group), 1)
    groups.push({
      names: new Set([name, ...joined.flatMap(({ names }) => Array.from(names))]),
      hashes: new Set([...hashes, ...joined.flatMap((group) => Array.from(group.hashes))])
    })
  }
  return groups.map(({ names }) => Array.from(names))
}

describe("Recorded stacks", () => {
  it("are 16 faults in eight engines", () => {
    assert.lengthOf(faults, 16)
    assert.lengthOf(engines, 8)
    for (const engine of engines)
      for (const fault of faults) assert.isNotEmpty(linksOf("plain", engine, fault))
  })

  for (const fault of faults) {
    const list = fault === "stock" ? awaiting.stock : keepsCallers
    it(`one issue in ${list.length} engines: ${fault}`, () => {
      const groups = groupsOf(list.map((engine) => [engine, hashesOf(groupable("plain", engine, fault))]))
      assert.lengthOf(groups, 1, JSON.stringify(groups))
    })
  }

  it("different faults are separate issues in all engines, also through one helper, one wrapper and one caller", () => {
    const groups = groupsOf(
      engines.flatMap((engine) =>
        faults.map((fault) => [`${engine} ${fault}`, hashesOf(groupable("plain", engine, fault))] as const)
      )
    )
    for (const names of groups) {
      assert.lengthOf(new Set(names.map((name) => name.split(" ")[1])), 1, names.join())
    }
  })
})

const builds = { min1: idOf(1), min2: idOf(2) } as const
const shown = ["node-24", "chromium-153", "javascriptcore-2.50", "spidermonkey-102"]

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })(
  "Recorded stacks of minified releases",
  (it) => {
    it.effect(
      "are one issue per fault over two releases and four engines, with the source maps of both",
      () =>
        Effect.gen(function* () {
          const project = yield* projectOf("minified")
          for (const [build, debugId] of Object.entries(builds)) {
            const uploaded = yield* upload(
              "minified",
              zipOf([
                { name: "shop.js", type: "minified_source", debugId, content: textOf(`${build}.js.txt`) },
                { name: "shop.js.map", type: "source_map", debugId, content: textOf(`${build}.map.json`) }
              ])
            )
            assert.strictEqual(uploaded.state, "created")
          }
          yield* Effect.flatMap(SourceMapWork, ({ run }) => run)
          for (const [build, debugId] of Object.entries(builds)) {
            for (const engine of shown) {
              for (const fault of faults) {
                const values = exceptionsOf(engine, linksOf(build, engine, fault))
                const files = new Set(
                  values.flatMap(({ stacktrace }) =>
                    stacktrace.frames.map(({ abs_path: path }) => path ?? "")
                  )
                )
                yield* capture("minified", project, {
                  event_id: newEventId(),
                  platform: engine.startsWith("node") ? "node" : "javascript",
                  release: `shop@${build === "min1" ? 1 : 2}.0.0`,
                  tags: { fault, engine },
                  exception: { values },
                  debug_meta: {
                    images: Array.from(files)
                      .filter((file) => file.endsWith("/shop.js"))
                      .map((file) => ({ type: "sourcemap", code_file: file, debug_id: debugId }))
                  }
                })
              }
            }
          }
          yield* Effect.flatMap(SourceMapWork, ({ run }) => run)
          const issues = yield* issuesOf("minified")
          assert.strictEqual(
            issues.reduce((sum, { eventCount }) => sum + eventCount, 0),
            faults.length * shown.length * 2
          )
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{
            readonly fault: string
            readonly issueId: string
            readonly culprit: string
          }>`
        SELECT t.value AS fault, t.issue_id::text AS "issueId", i.culprit
          FROM hm_error_tag t
          JOIN hm_error_issue i ON i.tenant_id = t.tenant_id AND i.issue_id = t.issue_id
         WHERE t.tenant_id = 'minified' AND t.name = 'fault'
         ORDER BY t.value
      `
          const several = faults.filter((fault) => rows.filter((row) => row.fault === fault).length > 1)
          // Engines differ in the callers that await, and in the frames of code that was made at run time.
          assert.sameMembers(several, ["stock", "code"], JSON.stringify(rows, null, 1))
          assert.lengthOf(new Set(rows.map(({ issueId }) => issueId)), rows.length)
          for (const { culprit } of rows) assert.match(culprit, / \(src\/shop\.js\)$/)
        })
    )
  }
)
