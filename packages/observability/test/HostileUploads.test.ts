import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Issues } from "@hypermarket/observability/Issues"
import { SourceMapWork } from "@hypermarket/observability/SourceMapWork"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { manifestZip, overlapping, prefixed } from "./archives.ts"
import { capture, eventOf, issuesOf, layerServer, projectOf } from "./errorServer.ts"
import { idOf, mapOf, upload, zipOf } from "./uploads.ts"

const work = Effect.flatMap(SourceMapWork, ({ run }) => run)

const partOf = (name: string, index: number, content: string | Uint8Array) => ({
  name,
  type: "source_map" as const,
  debugId: idOf(index),
  content
})

const bundlesOf = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly status: string; readonly detail: string | null; readonly attempts: number }>`
    SELECT status, detail, attempts
      FROM hm_error_bundle
     WHERE tenant_id = ${tenant}
     ORDER BY bundle_id
  `
})

const mapsOf = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly debugId: string }>`
    SELECT debug_id::text AS "debugId"
      FROM hm_error_source_map
     WHERE tenant_id = ${tenant}
     ORDER BY debug_id
  `
  return rows.map(({ debugId }) => debugId)
})

const chunksOf = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    SELECT
      FROM hm_error_chunk
     WHERE tenant_id = ${tenant}
  `
  return rows.length
})

const megabyte = 1024 * 1024

const mappingsOf = (mappings: string) =>
  JSON.stringify({ version: 3, sources: ["a.ts"], names: [], mappings })

/** Maps that stand for more memory or time than a worker has. */
const poison: Readonly<Record<string, () => string>> = {
  "lines.js.map": () => mappingsOf(";".repeat(40 * megabyte)),
  "segments.js.map": () => mappingsOf("A,".repeat(20 * megabyte)),
  "sources.js.map": () =>
    JSON.stringify({
      version: 3,
      names: [],
      mappings: "AAAA",
      sources: Array.from({ length: 400_000 }, (_, index) => `s${index}.ts`)
    }),
  "values.js.map": () =>
    `{"version":3,"sources":["a.ts"],"mappings":"AAAA","names":${"[".repeat(30 * megabyte)}`,
  "nested.js.map": () =>
    `${'{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":'.repeat(100_000)}{}`,
  "offset.js.map": () =>
    JSON.stringify({
      version: 3,
      sections: [
        { offset: { line: 1e9, column: 0 }, map: { version: 3, sources: ["a.ts"], mappings: "AAAA" } }
      ]
    }),
  "sections.js.map": () =>
    JSON.stringify({
      version: 3,
      sections: Array.from({ length: 20_000 }, () => ({
        offset: { line: 400_000, column: 0 },
        map: { version: 3, sources: ["a.ts"], names: [], mappings: "AAAA" }
      }))
    })
}

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Hostile uploads", (it) => {
  it.effect(
    "source maps that would fill the memory are refused by name, and the others of the upload serve",
    () =>
      Effect.gen(function* () {
        yield* projectOf("poison")
        const names = Object.keys(poison)
        const bytes = zipOf([
          ...Object.entries(poison).map(([name, content], index) => partOf(name, index, content())),
          partOf("good.js.map", names.length, mapOf("src/good.ts", 20))
        ])
        const before = process.resourceUsage().maxRSS
        assert.strictEqual((yield* upload("poison", bytes)).state, "created")
        yield* work
        const after = process.resourceUsage().maxRSS
        const [bundle] = yield* bundlesOf("poison")
        assert.strictEqual(bundle?.status, "stored")
        assert.match(
          bundle?.detail ?? "",
          new RegExp(`^${names.length} of ${names.length + 1} source maps can serve no event: `)
        )
        for (const name of names.slice(0, 5)) assert.include(bundle?.detail ?? "", name)
        assert.deepStrictEqual(yield* mapsOf("poison"), [idOf(names.length)])
        // In kilobytes. One of these maps alone would take gigabytes.
        assert.isBelow(after - before, 600 * 1024)
      })
  )

  for (const [name, content] of Object.entries(poison)) {
    it.effect(`an upload of ${name} alone ends refused, with the reason`, () =>
      Effect.gen(function* () {
        const tenant = `alone${name.replace(/\..*/, "")}`
        yield* projectOf(tenant)
        assert.strictEqual((yield* upload(tenant, zipOf([partOf(name, 1, content())]))).state, "created")
        yield* work
        const [bundle] = yield* bundlesOf(tenant)
        assert.strictEqual(bundle?.status, "refused")
        assert.match(
          bundle?.detail ?? "",
          new RegExp(`^1 of 1 source maps can serve no event: ${name} (?:has|maps|names) `)
        )
        assert.strictEqual(yield* chunksOf(tenant), 0)
      })
    )
  }

  it.effect(
    "events of a map at its limits are translated, and a source without line ends or with nothing else is bounded",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("limits")
        const script = "a".repeat(2 * megabyte)
        const map = JSON.stringify({
          version: 3,
          sources: ["long.ts", "lines.ts"],
          names: [],
          sourcesContent: ["x".repeat(8 * megabyte), "\n".repeat(8 * megabyte)],
          mappings: `AAAA,ECAA${",CAAA".repeat(1_900_000)}`
        })
        const bytes = zipOf([
          partOf("limits.js.map", 1, map),
          { name: "limits.js", type: "minified_source", debugId: idOf(1), content: script }
        ])
        assert.strictEqual((yield* upload("limits", bytes)).state, "created")
        yield* work
        assert.deepStrictEqual(yield* mapsOf("limits"), [idOf(1)])
        yield* capture(
          "limits",
          project,
          eventOf({
            event: {
              exception: {
                values: [
                  {
                    type: "Error",
                    value: "far",
                    stacktrace: {
                      frames: Array.from({ length: 100 }, (_, index) => ({
                        function: "a",
                        abs_path: "https://shop.example/limits.js",
                        lineno: 1,
                        colno: 1_500_000 + index,
                        in_app: true
                      }))
                    }
                  }
                ]
              },
              debug_meta: {
                images: [
                  { type: "sourcemap", code_file: "https://shop.example/limits.js", debug_id: idOf(1) }
                ]
              }
            }
          })
        )
        yield* work
        const [issue] = yield* issuesOf("limits")
        assert.match(issue?.culprit ?? "", /\((?:long|lines)\.ts\)$/)
      })
  )

  it.effect(
    "a zip that lies about its size, has too many files or a broken directory is refused at once",
    () =>
      Effect.gen(function* () {
        yield* projectOf("lies")
        const honest = Buffer.from(zipOf([partOf("app.js.map", 1, "[".repeat(5 * megabyte))]))
        const directory = honest.lastIndexOf(Buffer.from("504b0102", "hex"))
        // The entry states ten bytes, and inflates to five megabytes.
        const lying = Buffer.from(honest)
        lying.writeUInt32LE(10, directory + 24)
        assert.strictEqual((yield* upload("lies", lying)).state, "created")
        yield* work
        assert.match((yield* bundlesOf("lies"))[0]?.detail ?? "", /app\.js\.map is broken in the upload$/)

        const end = honest.lastIndexOf(Buffer.from("504b0506", "hex"))
        const many = Buffer.from(honest)
        many.writeUInt16LE(65_535, end + 10)
        const outside = Buffer.from(honest)
        outside.writeUInt32LE(0xfffffff0, end + 16)
        for (const broken of [many, outside, honest.subarray(0, end), Buffer.alloc(100), Buffer.alloc(0)]) {
          if (broken.length === 0) continue
          const answer = yield* upload("lies", broken)
          assert.strictEqual(answer.state, "error")
          assert.match(answer.detail ?? "", /no zip/)
        }
      })
  )

  it.effect(
    "a manifest that is a bomb, or that has no files, is refused at once, and asking again does not read it again",
    () =>
      Effect.gen(function* () {
        yield* projectOf("manifests")
        const manifests = [
          ["[".repeat(3 * megabyte), /more than 400000 values/],
          [" ".repeat(60 * megabyte), /more than 4194304 bytes/],
          ['{"files":[1,2]}', /no artifact bundle/],
          ["null", /no artifact bundle/]
        ] as const
        for (const [manifest, reason] of manifests) {
          const bytes = manifestZip(manifest)
          for (let time = 0; time < 2; time++) {
            const answer = yield* upload("manifests", bytes)
            assert.strictEqual(answer.state, "error")
            assert.match(answer.detail ?? "", reason)
          }
        }
        const refused = yield* bundlesOf("manifests")
        assert.deepStrictEqual(
          refused.map(({ status }) => status),
          manifests.map(() => "refused")
        )
      })
  )

  it.effect("an upload whose files inflate to more than 512 MiB together is read up to them", () =>
    Effect.gen(function* () {
      yield* projectOf("inflated")
      // Maps of 45 MB each, of blanks, which all share the same bytes of the archive.
      const content = Buffer.concat([
        Buffer.from('{"version":3,"sources":["a.ts"],"names":[],"mappings":"AAAA"}'),
        Buffer.alloc(45 * megabyte, 0x20)
      ])
      const names = Array.from({ length: 30 }, (_, index) => `m${index}.js.map`)
      assert.strictEqual((yield* upload("inflated", overlapping(names, content))).state, "created")
      yield* work
      const [bundle] = yield* bundlesOf("inflated")
      assert.strictEqual(bundle?.status, "stored")
      assert.match(
        bundle?.detail ?? "",
        /^19 of 30 source maps can serve no event: .* the upload more than 536870912/
      )
      assert.lengthOf(yield* mapsOf("inflated"), 11)
    })
  )

  it.effect("an upload that fails goes behind the others, and is refused after seven attempts", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* projectOf("failing")
      const poisoned = idOf(0xdead)
      yield* sql`ALTER TABLE hm_error_source_map ADD CONSTRAINT poison CHECK (debug_id <> '0000dead-0000-4000-8000-000000000000')`
      yield* upload("failing", zipOf([{ ...partOf("bad.js.map", 1, mapOf("bad.ts", 3)), debugId: poisoned }]))
      for (let index = 1; index <= 3; index++) {
        yield* upload("failing", zipOf([partOf(`good${index}.js.map`, index, mapOf(`good${index}.ts`, 3))]))
      }
      yield* work
      assert.deepStrictEqual(yield* mapsOf("failing"), [idOf(1), idOf(2), idOf(3)])
      assert.deepInclude((yield* bundlesOf("failing"))[0], { status: "waiting", attempts: 1, detail: null })
      // At once it is not tried again.
      yield* work
      assert.deepInclude((yield* bundlesOf("failing"))[0], { status: "waiting", attempts: 1 })
      for (let attempt = 2; attempt <= 7; attempt++) {
        yield* sql`
          UPDATE hm_error_bundle
             SET updated_at = updated_at - interval '1 hour'
           WHERE tenant_id = 'failing'
        `
        yield* work
      }
      const [bundle] = yield* bundlesOf("failing")
      assert.deepInclude(bundle, { status: "refused", attempts: 7 })
      assert.match(bundle?.detail ?? "", /^The upload could not be read: .*poison/)
      assert.strictEqual(yield* chunksOf("failing"), 0)
      yield* sql`ALTER TABLE hm_error_source_map DROP CONSTRAINT poison`
    })
  )

  it.effect("an upload that ended the worker seven times is refused without being read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* projectOf("killing")
      yield* upload("killing", zipOf([partOf("kill.js.map", 1, mapOf("kill.ts", 3))]))
      yield* sql`
        UPDATE hm_error_bundle
           SET attempts = 7, updated_at = updated_at - interval '1 hour'
         WHERE tenant_id = 'killing'
      `
      yield* work
      assert.match((yield* bundlesOf("killing"))[0]?.detail ?? "", /has ended 7 times/)
      assert.deepStrictEqual(yield* mapsOf("killing"), [])
    })
  )

  it.effect("chunks that two uploads share stay until both are read", () =>
    Effect.gen(function* () {
      yield* projectOf("sharing")
      yield* projectOf("sharing", "till")
      // Random bytes first: the first megabytes of both are the same chunks.
      const noise = Buffer.alloc(2 * megabyte)
      for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at)
      const uploads = [1, 2].map((index) => {
        const zip = Buffer.from(zipOf([partOf(`s${index}.js.map`, index, mapOf(`s${index}.ts`, 3))]))
        return prefixed(noise, zip)
      })
      for (const bytes of uploads) assert.strictEqual((yield* upload("sharing", bytes)).state, "created")
      yield* work
      assert.deepStrictEqual(
        (yield* bundlesOf("sharing")).map(({ status }) => status),
        ["stored", "stored"]
      )
      assert.strictEqual(yield* chunksOf("sharing"), 0)
    })
  )

  it.effect(
    "one late map serves the events of several issues together, and the newest event names each",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("together")
        const send = (line: number, value: string) =>
          capture(
            "together",
            project,
            eventOf({
              event: {
                exception: {
                  values: [
                    {
                      type: "Error",
                      value,
                      stacktrace: {
                        frames: [
                          {
                            function: `f${line}`,
                            abs_path: "https://shop.example/late.js",
                            lineno: line,
                            colno: 1,
                            in_app: true
                          }
                        ]
                      }
                    }
                  ]
                },
                debug_meta: {
                  images: [
                    { type: "sourcemap", code_file: "https://shop.example/late.js", debug_id: idOf(7) }
                  ]
                }
              }
            })
          )
        for (const line of [3, 9, 14]) for (const value of ["first", "second"]) yield* send(line, value)
        assert.lengthOf(yield* issuesOf("together"), 3)
        yield* upload("together", zipOf([partOf("late.js.map", 7, mapOf("src/late.ts", 20))]))
        yield* work
        const issues = yield* Issues
        const as = provide(TenantId.make("together"))
        const seen: Array<ReadonlyArray<unknown>> = []
        for (const issue of yield* issuesOf("together")) {
          const { items } = yield* issues.events(issue.issueId, {}).pipe(as)
          for (const { eventId } of items) {
            const { data, untranslatedDebugIds } = yield* issues.event(project.projectId, eventId).pipe(as)
            assert.deepStrictEqual(untranslatedDebugIds, [])
            const line = /"context_line":"line (\d+) of src\/late\.ts"/.exec(JSON.stringify(data))?.[1]
            seen.push([issue.title, issue.culprit, Number(line)])
          }
        }
        assert.sameDeepMembers(
          seen,
          [3, 9, 14].flatMap((line) => [1, 2].map(() => ["Error: second", "? (src/late.ts)", line]))
        )
      })
  )
})
