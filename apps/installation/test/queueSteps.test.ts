import { assert, describe, it } from "@effect/vitest"
import * as Migrations from "@hypermarket/core/Migrations"
import { migrationSets } from "@hypermarket/installation/domains"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"

const statementsOf = (set: Migrations.MigrationSet) =>
  set.migrations.map(({ statements }) => statements.join("\n;\n"))

/** Prefixes of the queues that a package creates: other tables may be called queues, and only these have leases. */
const prefixesOf = (set: Migrations.MigrationSet) =>
  statementsOf(set).flatMap((text) =>
    Array.from(text.matchAll(/CREATE TABLE (hm_[a-z]+)_queue \(/g), (match) => match[1] ?? "").filter(
      (prefix) => text.includes(`CREATE TABLE ${prefix}_lease (`)
    )
  )

/** The steps of a queue that are not a migration of its package. */
const missing = (sets: ReadonlyArray<Migrations.MigrationSet>) =>
  sets.flatMap((set) =>
    prefixesOf(set).flatMap((prefix) =>
      Array.from({ length: QueueMigrations.lastStep }, (_, index) => index + 1)
        .filter((step) => !statementsOf(set).includes(QueueMigrations.step(step, prefix).join("\n;\n")))
        .map((step) => `${set.domain} lacks step ${step} of ${prefix}`)
    )
  )

describe("The migrations of a package with a queue", () => {
  it("hold each step of the queue's tables as one migration", () => {
    assert.deepStrictEqual(migrationSets.flatMap(prefixesOf), ["hm_event"])
    assert.deepStrictEqual(missing(migrationSets), [])
  })

  it("are found incomplete without the last statement of a step", () => {
    const statements = QueueMigrations.step(QueueMigrations.lastStep, "hm_planted").slice(0, -1)
    const planted = Migrations.make(
      "planted",
      {
        "0001_queue": QueueMigrations.migration(1, "hm_planted", { since: "0.1.0", oldestRelease: "0.1.0" }),
        "0002_queue": Migrations.migration(statements, {
          since: "0.1.0",
          oldestRelease: "0.1.0",
          locks: "none"
        })
      },
      { release: "0.1.0" }
    )
    assert.include(missing([planted]), `planted lacks step ${QueueMigrations.lastStep} of hm_planted`)
  })
})
