import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { migration } from "@hypermarket/core/Migrations"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { TestDatabase } from "@hypermarket/testing/TestDatabase"
import * as TestDatabases from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Laboratory from "./Laboratory.ts"

const script = fileURLToPath(new URL("startExperiments.ts", import.meta.url))

/** A process that starts experiments. It ends with the scope. */
const starter = (url: string) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [script, url], { stdio: ["pipe", "pipe", "inherit"] })),
      (running) =>
        Effect.callback<void>((resume) => {
          running.once("exit", () => resume(Effect.void))
          running.stdin.end()
        })
    )
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const answer = Effect.promise(async () => String((await lines.next()).value))
    assert.strictEqual(yield* answer, "ready")
    return {
      start: (experimentId: string, version: number) =>
        Effect.andThen(
          Effect.sync(() => child.stdin.write(`${experimentId} ${version}\n`)),
          answer
        )
    }
  })

const gist = Migrations.make(
  "gist",
  {
    "0001_gist": migration([`CREATE EXTENSION btree_gist`], {
      since: "0.1.0",
      oldestRelease: "0.1.0",
      locks: "none"
    })
  },
  { release: "0.1.0" }
)

const layerOf = (hasGist: boolean) =>
  ExperimentsDomain.layer.pipe(
    Layer.provideMerge(
      TestDatabases.layer(
        CoreDomain.migrations,
        ...(hasGist ? [gist] : []),
        ExperimentsDomain.domain.migrations
      )
    )
  )

const constraints = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    SELECT conname
      FROM pg_constraint
     WHERE conname = 'running_experiments_share_no_bucket'
  `
)

for (const hasGist of [false, true]) {
  layer(layerOf(hasGist), { excludeTestServices: true })(
    `layers ${hasGist ? "with" : "without"} btree_gist`,
    (it) => {
      it.effect(
        "of two starts that overlap in a layer, at the same moment in two processes, one is refused",
        () =>
          Effect.gen(function* () {
            const experiments = yield* Experiments
            const { url } = yield* TestDatabase
            assert.lengthOf(yield* constraints, hasGist ? 1 : 0)
            // A layer that is there already: to make its row is a lock too.
            yield* experiments.setHoldout("shared", 5)
            const starters = yield* Effect.all([starter(url), starter(url)], { concurrency: 2 })
            for (let round = 0; round < 12; round++) {
              const slot = { key: "shared", from: 20_000, until: 70_000 }
              const drafts = yield* Effect.forEach([0, 1], (place) =>
                experiments.create({
                  key: `e${round}-${place}`,
                  variants: Laboratory.twoArms,
                  plan: { unitsPlanned: 100 },
                  layer: { ...slot, from: slot.from + place * 40_000, until: slot.until + place * 30_000 }
                })
              )
              const answers = yield* Effect.forEach(
                drafts,
                ({ experimentId, version }, place) =>
                  starters[place]?.start(experimentId, version) ?? Effect.die("no process"),
                { concurrency: 2 }
              )
              assert.sameMembers(answers, ["started", "LayerOverlap"])
              for (const { experimentId } of drafts) {
                const { status, version } = yield* experiments.get(experimentId)
                if (status === "running") yield* experiments.stop(experimentId, version)
              }
            }
          }).pipe(Effect.scoped, provide(TenantId.make("layers")))
      )

      if (hasGist) {
        it.effect("no statement makes two running experiments share a bucket, whoever writes it", () =>
          Effect.gen(function* () {
            const experiments = yield* Experiments
            const sql = yield* SqlClient.SqlClient
            for (const key of ["first", "second"]) {
              yield* experiments.create({
                key,
                variants: Laboratory.twoArms,
                plan: { unitsPlanned: 100 },
                layer: { key: "raw", from: 0, until: 10 }
              })
            }
            const error = yield* Effect.flip(
              sql`
                UPDATE hm_experiment
                   SET status = 'running'
                 WHERE layer = 'raw'
              `
            )
            assert.include(JSON.stringify(error), "running_experiments_share_no_bucket")
          }).pipe(provide(TenantId.make("raw")))
        )
      }
    }
  )
}
