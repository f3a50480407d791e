import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Support from "./auditSupport.ts"

const { kept, verdicts } = Support

const log = "hm_platform_activity_log"
const checkpoints = "hm_platform_activity_checkpoint"

interface Tampering {
  readonly title: string
  readonly statements: (tenant: string) => ReadonlyArray<string>
  /** The kind and the checkpoint of the first problem. */
  readonly first: readonly ["row" | "checkpoint", number | null]
}

const rowOf = (tenant: string, place: number): string =>
  `(SELECT activity_id FROM ${log} WHERE tenant_id = '${tenant}' ORDER BY recorded_at, activity_id OFFSET ${place} LIMIT 1)`

const tamperings: ReadonlyArray<Tampering> = [
  {
    title: "a changed action",
    statements: (t) => [
      `UPDATE ${log} SET action = 'item.removed' WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a changed state",
    statements: (t) => [
      `UPDATE ${log} SET detail = replace(detail, '"stock":2', '"stock":9') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 0)}`
    ],
    first: ["row", 1]
  },
  {
    title: "a changed actor",
    statements: (t) => [
      `UPDATE ${log} SET actor = replace(actor, 'hypermarket', 'mallory') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 8)}`
    ],
    first: ["row", 3]
  },
  {
    title: "a time that was moved by a microsecond",
    statements: (t) => [
      `UPDATE ${log} SET recorded_at = recorded_at + interval '1 microsecond' WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a state that was changed together with all its hashes",
    statements: (t) => [
      `UPDATE ${log} SET detail_hash = sha256('x'), detail = NULL, detail_salt = NULL, leaf_hash = sha256('y') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a deleted row at the head",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 0)}`],
    first: ["row", 1]
  },
  {
    title: "a deleted row in the middle",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`],
    first: ["row", 2]
  },
  {
    title: "a deleted row at the tail",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 8)}`],
    first: ["row", 3]
  },
  {
    title: "a deletion that the checkpoint's list hides",
    statements: (t) => [
      `UPDATE ${checkpoints} SET activity_ids = activity_ids[1:2] WHERE tenant_id = '${t}' AND number = 2`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 5)}`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "two rows in another order",
    statements: (t) => [
      `UPDATE ${checkpoints} SET activity_ids = ARRAY[activity_ids[2], activity_ids[1], activity_ids[3]] WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a row that was added to a checkpoint",
    statements: (t) => [
      `INSERT INTO ${log} SELECT tenant_id, recorded_at, '019fffff-ffff-7fff-bfff-ffffffffffff', action, actor_type, target_type, actor, actor_salt, actor_hash, detail, detail_salt, detail_hash, leaf_hash FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`,
      `UPDATE ${checkpoints} SET rows = 4, activity_ids = activity_ids || '019fffff-ffff-7fff-bfff-ffffffffffff'::uuid WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a forged root",
    statements: (t) => [
      `UPDATE ${checkpoints} SET root = sha256('x') WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a forged signature",
    statements: (t) => [
      `UPDATE ${checkpoints} SET signature = sha256('x') || sha256('y') WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a signature of a key that is not in the list kept elsewhere",
    statements: (t) => [
      `UPDATE ${checkpoints} SET key_id = 'mallory' WHERE tenant_id = '${t}' AND number = 3`
    ],
    first: ["checkpoint", 3]
  },
  {
    title: "a dropped first checkpoint",
    statements: (t) => [`DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 1`],
    first: ["checkpoint", 2]
  },
  {
    title: "a dropped checkpoint in the middle",
    statements: (t) => [`DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 2`],
    first: ["checkpoint", 3]
  },
  {
    title: "a dropped end, checkpoint and rows",
    statements: (t) => [
      `DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 3`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id IN (${rowOf(t, 6)}, ${rowOf(t, 7)}, ${rowOf(t, 8)})`
    ],
    first: ["checkpoint", 3]
  },
  {
    title: "a log that was emptied",
    statements: (t) => [
      `DELETE FROM ${checkpoints} WHERE tenant_id = '${t}'`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}'`
    ],
    first: ["checkpoint", 3]
  }
]

const tamperedTenant = (index: number) => TenantId.make(`tampered-${index}`)

const layerFilled = Layer.effectDiscard(
  Support.fillLogs(tamperings.map((_, index) => tamperedTenant(index)))
).pipe(Layer.provideMerge(Support.layerLog))

layer(layerFilled, { excludeTestServices: true })("The activity log", (it) => {
  for (const [index, { first, statements, title }] of tamperings.entries()) {
    it.effect(`finds and locates ${title}, by the command and by a stranger's script`, () =>
      Effect.gen(function* () {
        const tenant = tamperedTenant(index)
        yield* Effect.gen(function* () {
          const before = yield* kept
          const intact = yield* verdicts(before)
          assert.deepStrictEqual([intact.report.problems, intact.stranger], [[], []])
          assert.deepInclude(intact.report, { checkpoints: 3, rows: 9, late: [] })
          yield* Support.tamper(...statements(tenant))
          const { report, stranger } = yield* verdicts(before)
          const [problem] = report.problems
          assert.deepStrictEqual([problem?.kind, problem?.checkpoint], [...first], problem?.reason)
          assert.match(
            stranger[0] ?? "",
            new RegExp(`^${first[1]}: `),
            "the checkpoint is the first that is named"
          )
        }).pipe(provide(tenant))
      })
    )
  }

  it.effect("names a row that was inserted with a time of the past", () =>
    Effect.gen(function* () {
      const tenant = TenantId.make("inserted")
      const now = yield* Now.TestNow
      yield* Support.fillLogs([tenant])
      yield* now.adjust("3 hours")
      yield* Support.tamper(
        `INSERT INTO ${log} SELECT tenant_id, recorded_at, '019fffff-ffff-7fff-bfff-ffffffffffff', action, actor_type, target_type, actor, actor_salt, actor_hash, detail, detail_salt, detail_hash, leaf_hash FROM ${log} WHERE tenant_id = 'inserted' LIMIT 1`
      )
      const activity = yield* ActivityLog
      const report = yield* activity.verify({})
      assert.deepInclude(report.problems[0], {
        kind: "row",
        id: "019fffff-ffff-7fff-bfff-ffffffffffff",
        checkpoint: null
      })
    }).pipe(provide(TenantId.make("inserted")))
  )

  it.effect(
    "puts a row that commits late under the next checkpoint, and lists it as late without an alarm",
    () =>
      Effect.gen(function* () {
        const tenant = TenantId.make("late")
        const activity = yield* ActivityLog
        const now = yield* Now.TestNow
        yield* Support.changeItem("early", 1, 2)
        yield* Support.seal
        yield* now.adjust("-10 minutes")
        yield* Support.changeItem("slow", 1, 2)
        yield* now.adjust("10 minutes")
        yield* Support.seal
        const report = yield* activity.verify({})
        assert.deepInclude(report, { tenantId: tenant, rows: 2, checkpoints: 2, problems: [] })
        assert.deepStrictEqual(
          report.late.map(({ checkpoint }) => checkpoint),
          [2]
        )
      }).pipe(provide(TenantId.make("late")))
  )

  it.effect("leaves no row of a change that was rolled back, and no change whose row cannot be written", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenant = TenantId.make("undone")
      const write = Effect.andThen(
        sql`
          INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
          VALUES ('undone', 'x', 'x', 'active', now(), now())
        `,
        Audit.record({ action: "item.changed", target: { type: "item", id: "1" } })
      ).pipe(provide(tenant))
      const counts = sql<{ readonly tenants: number; readonly rows: number }>`
        SELECT (SELECT count(*)::int FROM hm_tenant WHERE tenant_id = 'undone') AS tenants,
               (SELECT count(*)::int FROM hm_platform_activity_log WHERE tenant_id = 'undone') AS rows
      `
      yield* Effect.exit(sql.withTransaction(Effect.andThen(write, Effect.fail("no"))))
      assert.deepStrictEqual(yield* counts, [{ tenants: 0, rows: 0 }])
      // An action that no column takes.
      const refused = Audit.record({ action: "x".repeat(200), target: { type: "item", id: "1" } }).pipe(
        provide(tenant)
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(sql.withTransaction(Effect.andThen(write, refused)))))
      assert.deepStrictEqual(yield* counts, [{ tenants: 0, rows: 0 }])
      yield* sql.withTransaction(write)
      assert.deepStrictEqual(yield* counts, [{ tenants: 1, rows: 1 }])
    })
  )

  it.effect("dies of a change that is recorded outside of a transaction", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Audit.record({ action: "item.changed", target: { type: "item", id: "1" } })
      )
      assert.isTrue(Exit.hasDies(exit))
    }).pipe(provide(TenantId.make("outside")))
  )

  it.effect("keeps what changed, the actor and the request, and lists by each of them", () =>
    Effect.gen(function* () {
      const activity = yield* ActivityLog
      const actor = {
        type: "user",
        id: "ann",
        address: "192.0.2.1",
        requestId: "r1",
        onBehalfOf: "bob"
      } as const
      yield* Support.changeItem("a", 1, 2).pipe(Effect.provideService(Actor.Actor, actor))
      yield* Support.changeItem("b", 1, 2)
      const { items } = yield* activity.list({ actorId: "ann" })
      assert.lengthOf(items, 1)
      assert.deepInclude(items[0], {
        action: "item.changed",
        actorType: "user",
        actor: { id: "ann", address: "192.0.2.1", requestId: "r1", onBehalfOf: "bob" },
        targetType: "item",
        targetId: "a",
        before: { stock: 1 },
        after: { stock: 2 }
      })
      assert.lengthOf((yield* activity.list({ targetType: "item", targetId: "b" })).items, 1)
      assert.lengthOf((yield* activity.list({ action: "item.changed" })).items, 2)
      assert.lengthOf((yield* activity.list({ action: "item.removed" })).items, 0)
      const first = yield* activity.list({ action: "item.changed", limit: 1 })
      const second = yield* activity.list({
        action: "item.changed",
        limit: 1,
        ...(first.nextCursor === null ? {} : { cursor: first.nextCursor })
      })
      assert.deepStrictEqual(
        [...first.items, ...second.items].map(({ targetId }) => targetId),
        ["b", "a"]
      )
    }).pipe(provide(TenantId.make("listed")))
  )

  it.effect("is exported as CSV that no spreadsheet runs, and as events of OCSF", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const activity = yield* ActivityLog
      const actor: Actor.Actor = { type: "user", id: '=cmd|"calc"', address: "192.0.2.7" }
      yield* sql
        .withTransaction(
          Audit.record({ action: "price.changed", target: { type: "price", id: "p-1" }, after: { cents: 5 } })
        )
        .pipe(Effect.provideService(Actor.Actor, actor))
      yield* Support.seal
      const csv = yield* activity.exportAfter(0, "csv")
      assert.isNull(csv.next)
      const [header, line] = csv.lines
      assert.strictEqual(
        header,
        "activityId,recordedAt,action,actorType,actorId,onBehalfOf,address,requestId,targetType,targetId,before,after"
      )
      assert.match(
        line ?? "",
        /^"[0-9a-f-]{36}","[0-9T:.-]+Z","price.changed","user","'=cmd\|""calc""","","192.0.2.7","","price","p-1","","\{""cents"":5\}"$/
      )
      const [event] = (yield* activity.exportAfter(0, "ocsf")).lines
      assert.deepInclude(JSON.parse(event ?? ""), {
        class_uid: 3004,
        type_uid: 300403,
        actor: { user: { type: "user", uid: '=cmd|"calc"' } },
        src_endpoint: { ip: "192.0.2.7" },
        entity: { type: "price", uid: "p-1" },
        entity_result: { type: "price", data: { cents: 5 } }
      })
    }).pipe(provide(TenantId.make("spreadsheets")))
  )

  it.effect("records that it was read, and shows a tenant its own rows only", () =>
    Effect.gen(function* () {
      const activity = yield* ActivityLog
      yield* Support.changeItem("a", 1, 2).pipe(provide(TenantId.make("owner")))
      yield* activity.list({})
      yield* activity.exportAfter(0)
      const { items } = yield* activity.list({})
      assert.deepStrictEqual(
        items.map(({ action }) => action),
        ["activity.exported", "activity.read"]
      )
    }).pipe(provide(TenantId.make("reader")))
  )

  it.effect(
    "verifies exactly what is restored into another database from a dump: microseconds, -0, 1e21 and any Unicode",
    () =>
      Effect.gen(function* () {
        const tenant = TenantId.make("dumped")
        const sql = yield* SqlClient.SqlClient
        const activity = yield* ActivityLog
        const states = [
          { a: -0, b: 1e21, c: 1e-7, d: 0.1 + 0.2, e: 2 ** 53 },
          { z: "é\u0301", a: "\u0000", "\ud83d\ude00": "\ud800 lone", "": [[], {}, null] },
          { text: '"quoted" \\ back\u2028slash\u007f', nested: { b: 1, a: { d: [1, { c: 2 }] } } }
        ]
        for (const after of states) {
          yield* activity.record({
            action: "item.changed",
            target: { type: "item", id: "ü\u0000\ud800" },
            after
          })
        }
        yield* Support.seal
        const before = yield* kept
        // What COPY writes: the text of each row.
        const textsOf = (table: string) =>
          sql.unsafe<{ readonly line: string }>(
            `SELECT t::text AS line
               FROM ${table} AS t
              WHERE tenant_id = 'dumped'`
          )
        const rows = yield* textsOf(log)
        const sealed = yield* textsOf(checkpoints)
        const restored = Effect.gen(function* () {
          const other = yield* SqlClient.SqlClient
          for (const [table, lines] of [
            [log, rows],
            [checkpoints, sealed]
          ] as const) {
            for (const { line } of lines) {
              yield* other.unsafe(`INSERT INTO ${table} SELECT ($1::text::${table}).*`, [line])
            }
          }
          return yield* verdicts(before)
        }).pipe(
          Effect.provide(
            ActivityLog.layer.pipe(
              Support.withKeys("k1"),
              Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
            ),
            { local: true }
          )
        )
        const { report, stranger } = yield* restored
        assert.deepInclude(report, { tenantId: tenant, rows: 3, problems: [] })
        assert.deepStrictEqual(stranger, [])
      }).pipe(provide(TenantId.make("dumped")))
  )

  it.effect(
    "raises no alarm when a person is erased, and keeps nothing by which a guess could be checked",
    () =>
      Effect.gen(function* () {
        const tenant = TenantId.make("erased")
        const sql = yield* SqlClient.SqlClient
        const email = "ann@example.com"
        const { subjectData } = yield* PlatformDomain.domain.start
        if (subjectData === undefined) return assert.fail("no subject data")
        yield* Support.changeItem("1", 1, 2).pipe(
          Effect.provideService(Actor.Actor, { type: "user", id: "ann", address: "192.0.2.9" })
        )
        yield* Support.changeItem("ann", 1, 2)
        yield* sql.withTransaction(
          Audit.record({
            action: "list.changed",
            target: { type: "list", id: "vip" },
            after: { members: [email] }
          })
        )
        yield* Support.changeItem("annotated", 1, 2)
        yield* Support.seal
        const before = yield* kept
        const subject = { kind: "user", id: "ann", identifiers: [{ kind: "email", value: email }] } as const
        const rows = Array.from(yield* Stream.runCollect(subjectData.export(subject)))
        assert.lengthOf(rows, 3)
        const outcome = yield* subjectData.erase(subject)
        assert.strictEqual(outcome.rows, 3)
        assert.strictEqual((yield* subjectData.erase(subject)).rows, 0)
        const [found] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_platform_activity_log AS log
         WHERE tenant_id = ${tenant}
           AND (log::text LIKE '%"ann"%' OR log::text LIKE ${`%${email}%`} OR log::text LIKE '%192.0.2.9%')
      `
        assert.strictEqual(found?.count, 0)
        yield* Support.seal
        const { report, stranger } = yield* verdicts(before)
        assert.deepInclude(report, { problems: [], erased: 3 })
        assert.deepStrictEqual(stranger, [])
        // Of an erased part neither text nor salt is left: only the hash of both.
        const salts = yield* sql`
        SELECT 1
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenant} AND (actor IS NULL AND actor_salt IS NOT NULL
                                          OR detail IS NULL AND detail_salt IS NOT NULL)
      `
        assert.lengthOf(salts, 0)
        yield* Support.tamper(
          `UPDATE ${log} SET detail = NULL, detail_salt = NULL WHERE tenant_id = 'erased' AND detail LIKE '%annotated%'`
        )
        const activity = yield* ActivityLog
        assert.include((yield* activity.verify({})).problems[0]?.reason ?? "", "erased")
      }).pipe(Support.asSystem, provide(TenantId.make("erased")), Effect.scoped)
  )

  it.effect(
    "goes on over a rotation of the key: old checkpoints verify with the old key, new ones with the new",
    () =>
      Effect.gen(function* () {
        const activity = yield* ActivityLog
        yield* Support.changeItem("1", 1, 2)
        yield* Support.seal
        yield* Effect.gen(function* () {
          yield* Support.changeItem("2", 1, 2)
          yield* Support.seal
        }).pipe(Effect.provide(ActivitySeals.layer.pipe(Support.withKeys("k2", "k1")), { local: true }))
        const before = yield* kept
        assert.sameMembers(Object.keys(before.keys), ["k1", "k2"])
        const { report, stranger } = yield* verdicts(before)
        assert.deepInclude(report, { checkpoints: 2, unsigned: 0, problems: [] })
        assert.deepStrictEqual(stranger, [])
        yield* Effect.gen(function* () {
          yield* Support.changeItem("3", 1, 2)
          yield* Support.seal
        }).pipe(Effect.provide(ActivitySeals.layer.pipe(Support.withKeys()), { local: true }))
        assert.include((yield* activity.verify({})).problems[0]?.reason ?? "", "not signed")
      }).pipe(provide(TenantId.make("rotated")))
  )

  it.effect("publishes each head as an event", () =>
    Effect.gen(function* () {
      const published: Array<Outbox.Event> = []
      const publisher = {
        publish: (events: ReadonlyArray<Outbox.Event>) => Effect.sync(() => void published.push(...events))
      }
      yield* Support.changeItem("1", 1, 2)
      yield* Support.seal.pipe(Effect.provideService(Outbox.Outbox, publisher))
      const event = published.find(({ subject }) => subject === "announced")
      assert.strictEqual(event?.type, "com.hypermarket.platform.activity.sealed.v1")
      const { hash } = yield* kept
      const Data = Schema.Struct({ hash: Schema.String })
      assert.strictEqual((yield* Schema.decodeUnknownEffect(Data)(event?.data)).hash, hash)
    }).pipe(provide(TenantId.make("announced")))
  )
})
