import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Support from "./auditSupport.ts"
import { checkpoints, log } from "./activityTampering.ts"

const { kept, verdicts } = Support

layer(Support.layerLog, { excludeTestServices: true })("The activity log", (it) => {
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
          `UPDATE ${log}
              SET detail_hash = sha256(detail_salt || convert_to(detail, 'UTF8')), detail = NULL, detail_salt = NULL
            WHERE tenant_id = 'erased' AND detail LIKE '%annotated%'`
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
