import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import { provide, system, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Support from "./auditSupport.ts"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")

const retain = Effect.flatMap(ActivitySeals, (seals) => seals.retain).pipe(Support.asSystem)
const sweep = Effect.flatMap(ActivitySeals, (seals) => seals.sweep).pipe(Support.asSystem)

/** Maintains the partitions as their job does. Returns the months that it dropped. */
const maintain = Effect.map(
  Effect.forEach(PlatformDomain.domain.partitions, Partitions.maintain),
  (dropped) => dropped.flat()
)

const rowsOf = (owner: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_platform_activity_log
         WHERE tenant_id = ${owner}
      `,
      ([row]) => row?.count ?? 0
    )
  )

const verify = Effect.flatMap(ActivityLog, (log) => log.verify({}))

const changeOf = (tenant: TenantId, id: string) => Support.changeItem(id, 1, 2).pipe(provide(tenant))

const startAt = (instant: string) =>
  Effect.flatMap(Now.TestNow, (now) => now.set(new Date(instant))).pipe(Effect.andThen(maintain))

layer(Support.layerLog, { excludeTestServices: true })("Retention of the activity log", (it) => {
  it.effect(
    "drops whole months that every owner's log names, again and again, without an alarm of the command or of a stranger",
    () =>
      Effect.gen(function* () {
        const now = yield* Now.TestNow
        yield* startAt("2024-01-10T12:00:00Z")
        yield* Support.fillLogs([acme, globex])
        const before = yield* Support.kept.pipe(provide(acme))
        yield* startAt("2024-02-28T12:00:00Z")
        yield* Support.fillLogs([acme])
        yield* retain
        assert.deepStrictEqual(yield* maintain, [], "nothing is old yet")

        // In 450 days nothing is written.
        yield* startAt("2025-03-20T12:00:00Z")
        assert.deepStrictEqual(yield* retain, new Date("2024-02-01T00:00:00Z"))
        // The entries are sealed before the rows go: no verification in between raises an alarm.
        const named = yield* Support.verdicts(before).pipe(provide(acme))
        assert.deepStrictEqual([named.report.problems, named.stranger], [[], []])
        assert.deepInclude(named.report, { rows: 19, dropped: 0, unsealed: 0 })
        assert.deepStrictEqual(yield* maintain, ["hm_platform_activity_log_p202401"])
        for (const round of ["with the ids of the rows", "without them"]) {
          const { report, stranger } = yield* Support.verdicts(before).pipe(provide(acme))
          assert.deepStrictEqual([report.problems, stranger], [[], []], round)
          assert.deepInclude(report, { dropped: 9, checkpoints: 7 })
          assert.deepInclude(yield* verify.pipe(provide(globex)), { problems: [], rows: 1, dropped: 9 })
          assert.deepStrictEqual(yield* retain, new Date("2024-02-01T00:00:00Z"))
        }
        assert.strictEqual(yield* rowsOf(globex), 1)
        const sql = yield* SqlClient.SqlClient
        const left = yield* sql`
          SELECT 1
            FROM hm_platform_activity_checkpoint
           WHERE dropped_at IS NOT NULL AND activity_ids <> '{}'
        `
        assert.deepStrictEqual(left, [])
        // A sweep takes no row for one that is not sealed.
        assert.strictEqual(yield* sweep, 3, "the verifications of the stranger read the log three times")

        // The entries of the first retention go too: the next ones name all that they have named.
        yield* now.set(new Date("2026-06-01T12:00:00Z"))
        yield* maintain
        yield* changeOf(acme, "late")
        yield* Support.seal
        assert.deepStrictEqual(yield* retain, new Date("2025-04-01T00:00:00Z"))
        yield* maintain
        yield* retain
        const last = yield* Support.verdicts(before).pipe(provide(acme))
        assert.deepStrictEqual([last.report.problems, last.stranger], [[], []])
        assert.deepInclude(last.report, { dropped: 9 + 9 + 1 + 3, rows: 2 })
        const { items } = yield* Effect.flatMap(ActivityLog, (log) =>
          log.list({ action: "activity.dropped" })
        ).pipe(provide(acme))
        assert.lengthOf(items, 1)
        assert.deepStrictEqual(items[0]?.after, {
          before: "2025-04-01T00:00:00.000Z",
          checkpoints: [[1, 8]],
          rows: 22
        })
      })
  )
})

layer(Support.layerLog, { excludeTestServices: true })("Retention of the activity log", (it) => {
  it.effect(
    "keeps the rows of an owner with a row under no checkpoint until 31 days after it was sealed, and drops those of the others",
    () =>
      Effect.gen(function* () {
        const verdictOf = (tenant: TenantId, before: Effect.Success<typeof Support.kept>) =>
          Effect.map(Support.verdicts(before).pipe(provide(tenant)), ({ report, stranger }) => ({
            alarms: [...report.problems, ...stranger],
            dropped: report.dropped
          }))
        yield* startAt("2024-05-10T12:00:00Z")
        yield* Support.fillLogs([acme])
        yield* changeOf(globex, "left out")
        yield* startAt("2024-06-11T12:00:00Z")
        yield* changeOf(acme, "June")
        yield* changeOf(globex, "June")
        yield* Support.seal
        yield* startAt("2024-07-12T12:00:00Z")
        yield* changeOf(acme, "July")
        yield* Support.seal
        const before = yield* Support.kept.pipe(provide(acme))

        yield* startAt("2025-09-20T12:00:00Z")
        assert.deepStrictEqual(yield* retain, new Date("2024-08-01T00:00:00Z"))
        // July has no row of the other owner, and goes as a whole.
        assert.deepStrictEqual(yield* maintain, ["hm_platform_activity_log_p202407"])
        assert.strictEqual(yield* rowsOf(globex), 2)
        assert.strictEqual(yield* rowsOf(acme), 1, "the entry that names what was dropped")
        assert.deepStrictEqual(yield* verdictOf(acme, before), { alarms: [], dropped: 11 })
        const held = yield* verify.pipe(provide(globex))
        assert.deepInclude(held, { rows: 1, dropped: 0 })
        assert.match(held.problems[0]?.reason ?? "", /no checkpoint covers it/)

        yield* sweep
        yield* retain
        assert.deepStrictEqual(yield* maintain, [], "it was sealed lately")
        assert.strictEqual(yield* rowsOf(globex), 2)
        yield* startAt("2025-10-25T12:00:00Z")
        assert.deepStrictEqual(yield* retain, new Date("2024-09-01T00:00:00Z"))
        assert.includeMembers(yield* maintain, [
          "hm_platform_activity_log_p202405",
          "hm_platform_activity_log_p202406"
        ])
        yield* retain
        assert.deepStrictEqual(yield* verdictOf(acme, before), { alarms: [], dropped: 11 })
        assert.deepInclude(yield* verify.pipe(provide(globex)), { problems: [], dropped: 2 })
        const sql = yield* SqlClient.SqlClient
        const left = yield* sql`
          SELECT 1
            FROM hm_platform_activity_checkpoint
           WHERE dropped_at IS NOT NULL AND activity_ids <> '{}'
        `
        assert.deepStrictEqual(left, [], "no checkpoint names a row that is gone")
        // As with a longer time to keep.
        yield* startAt("2025-09-25T12:00:00Z")
        assert.deepStrictEqual(yield* retain, new Date("2024-09-01T00:00:00Z"))
      })
  )
})

layer(Support.layerLog, { excludeTestServices: true })("Retention of the activity log", (it) => {
  it.effect("is no excuse for rows that are young: an entry that names them is not believed", () =>
    Effect.gen(function* () {
      yield* startAt("2024-09-10T12:00:00Z")
      yield* Support.fillLogs([acme])
      const before = yield* Support.kept.pipe(provide(acme))
      const sql = yield* SqlClient.SqlClient
      const forged = Audit.record({
        action: "activity.dropped",
        target: { type: "activity", id: acme },
        after: { before: "2024-10-01T00:00:00.000Z", checkpoints: [[1, 2]], rows: 6 }
      })
      const now = yield* Now.TestNow
      yield* now.adjust("20 days")
      yield* sql.withTransaction(forged).pipe(provide(acme))
      yield* Support.seal
      yield* Support.tamper(
        "UPDATE hm_platform_activity_checkpoint SET dropped_at = now() WHERE tenant_id = 'acme' AND number < 3",
        `DELETE FROM hm_platform_activity_log AS log
          USING hm_platform_activity_checkpoint AS checkpoint
          WHERE checkpoint.tenant_id = 'acme' AND number < 3 AND activity_id = ANY (activity_ids)`
      )
      const { report, stranger } = yield* Support.verdicts(before).pipe(provide(acme))
      assert.deepInclude(report, { dropped: 0 })
      assert.lengthOf(report.problems, 6)
      assert.deepInclude(report.problems[0], { kind: "row", checkpoint: 1, reason: "it was deleted" })
      assert.isNotEmpty(stranger)
    })
  )

  it.effect("is believed only while the entry is as it was sealed", () =>
    Effect.gen(function* () {
      const initech = TenantId.make("initech")
      yield* startAt("2024-09-10T12:00:00Z")
      yield* changeOf(initech, "old")
      yield* Support.seal
      const now = yield* Now.TestNow
      yield* now.adjust("40 days")
      yield* Effect.flatMap(ActivityLog, (log) => log.list({})).pipe(provide(initech))
      yield* Support.seal
      yield* Support.tamper(
        `UPDATE hm_platform_activity_log
            SET action = 'activity.dropped', detail = '{"after":{"checkpoints":[[1,1]]},"targetId":"initech"}'
          WHERE tenant_id = 'initech' AND action = 'activity.read'`,
        "DELETE FROM hm_platform_activity_log WHERE tenant_id = 'initech' AND action = 'item.changed'"
      )
      const { problems } = yield* verify.pipe(provide(initech))
      assert.isTrue(problems.some(({ reason }) => reason.includes("says that rows were dropped")))
    })
  )
})

layer(Support.layerLog, { excludeTestServices: true })("A checkpoint", (it) => {
  it.effect("has rows of one month only, and of those of the next one none is late", () =>
    Effect.gen(function* () {
      const now = yield* Now.TestNow
      yield* startAt("2025-01-31T23:59:30Z")
      yield* changeOf(acme, "January")
      yield* now.adjust("1 minute")
      yield* changeOf(acme, "February")
      yield* changeOf(acme, "February too")
      yield* Support.seal
      const report = yield* verify.pipe(provide(acme))
      assert.deepInclude(report, { checkpoints: 2, rows: 3, unsealed: 0, late: [], problems: [] })
    })
  )

  it.effect("has at most 16 MiB of text, so that an export holds no more in memory", () =>
    Effect.gen(function* () {
      yield* startAt("2025-03-10T12:00:00Z")
      const sql = yield* SqlClient.SqlClient
      const log = yield* ActivityLog
      const initech = TenantId.make("initech")
      yield* log
        .record({
          action: "item.changed",
          target: { type: "item", id: "1" },
          after: { text: "x".repeat(60_000) }
        })
        .pipe(provide(initech))
      // The same row some 400 times: 24 MB.
      yield* Support.tamper(
        `INSERT INTO hm_platform_activity_log
         SELECT tenant_id, recorded_at, gen_random_uuid(), action, actor_type, target_type, actor, actor_salt, actor_hash,
                detail, detail_salt, detail_hash, leaf_hash
           FROM hm_platform_activity_log, generate_series(1, 400)
          WHERE tenant_id = 'initech'`
      )
      yield* Support.seal
      const sizes = yield* sql<{ readonly rows: number }>`
        SELECT rows
          FROM hm_platform_activity_checkpoint
         WHERE tenant_id = 'initech'
         ORDER BY number
      `
      assert.lengthOf(sizes, 2)
      assert.isBelow((sizes[0]?.rows ?? 0) * 60_000, 16 * 1_048_576)
      const first = yield* log.exportAfter(0, "ocsf").pipe(provide(initech))
      assert.strictEqual(first.next, 1, "the second checkpoint is in the next part")
      assert.lengthOf(first.lines, sizes[0]?.rows ?? 0)
    })
  )

  it.effect("is of the installation's own log as well", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql
        .withTransaction(Audit.record({ action: "tenant.created", target: { type: "tenant", id: "x" } }))
        .pipe(Audit.inLogOf(system))
      yield* Support.seal
      assert.deepInclude(yield* verify.pipe(Audit.inLogOf(system)), { rows: 1, unsealed: 0, problems: [] })
    })
  )
})
