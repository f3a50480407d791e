import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { checkpoints, log, rowOf } from "./activityTampering.ts"
import * as Support from "./auditSupport.ts"

const { changeItem, kept, seal, tamper, verdicts } = Support

/** The number of hashes that are stored in a tenant's rows, and of the rows. */
const hashesOf = (tenant: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly actors: number; readonly details: number; readonly leaves: number }>`
      SELECT count(actor_hash)::int AS actors, count(detail_hash)::int AS details, count(leaf_hash)::int AS leaves
        FROM hm_platform_activity_log
       WHERE tenant_id = ${tenant}
    `
  )

const idOf = (tenant: string, place: number) =>
  Effect.map(
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      sql.unsafe<{ readonly id: string }>(`SELECT ${rowOf(tenant, place)}::text AS id`)
    ),
    ([row]) => row?.id ?? ""
  )

const isClean = Effect.fnUntraced(function* (rows: number) {
  const { report, stranger } = yield* verdicts(yield* kept)
  assert.deepStrictEqual([report.problems, stranger], [[], []])
  assert.deepInclude(report, { rows, unsealed: 0 })
})

layer(Support.layerLog, { excludeTestServices: true })("The hashes of the activity log", (it) => {
  it.effect("are made when rows are sealed, of any text as a stranger makes them, and not stored", () =>
    Effect.gen(function* () {
      const activity = yield* ActivityLog
      const texts = [
        '"quoted" \\ back/slash',
        "back\\slash",
        'one "quote',
        "\b\f\n\r\t\u0001\u001f\u007f",
        "a line\n",
        "\u2028é\ud83d\ude80"
      ]
      for (const odd of texts) {
        yield* activity.record({
          action: `item.${odd}`,
          target: { type: `type ${odd}`, id: odd },
          after: { odd }
        })
      }
      yield* seal
      assert.deepStrictEqual(yield* hashesOf("odd"), [{ actors: 0, details: 0, leaves: 0 }])
      yield* isClean(texts.length)
      const { items } = yield* activity.list({ targetType: "type back\\slash" })
      assert.deepStrictEqual(items[0]?.after, { odd: "back\\slash" })
    }).pipe(provide(TenantId.make("odd")))
  )

  it.effect(
    "protect a row from its checkpoint on: a change before it is sealed as it is, one after it is named",
    () =>
      Effect.gen(function* () {
        for (const item of ["a", "b", "c", "d"]) yield* changeItem(item, 4, 7)
        yield* tamper(
          `UPDATE ${log} SET detail = replace(detail, ':7', ':8') WHERE tenant_id = 'unsealed' AND activity_id = ${rowOf("unsealed", 1)}`
        )
        yield* seal
        yield* isClean(4)
        const before = yield* kept
        const changed = [yield* idOf("unsealed", 0), yield* idOf("unsealed", 3)]
        yield* tamper(
          `UPDATE ${log} SET detail = replace(detail, ':7', ':9') WHERE tenant_id = 'unsealed' AND activity_id IN ('${changed.join("', '")}')`
        )
        const { report, stranger } = yield* verdicts(before)
        assert.deepStrictEqual(
          report.problems.map(({ checkpoint, id, reason }) => [checkpoint, id, reason]),
          changed.map((id) => [1, id, "it was changed"])
        )
        assert.match(stranger[0] ?? "", /^1: /)
      }).pipe(provide(TenantId.make("unsealed")))
  )

  it.effect("name a changed row beside one that was deleted, and not the others of its checkpoint", () =>
    Effect.gen(function* () {
      for (const item of ["a", "b", "c", "d"]) yield* changeItem(item, 5, 6)
      yield* seal
      const [deleted, changed] = [yield* idOf("beside", 1), yield* idOf("beside", 2)]
      yield* tamper(
        `UPDATE ${log} SET actor = replace(actor, 'hypermarket', 'eve') WHERE activity_id = '${changed}'`,
        `DELETE FROM ${log} WHERE activity_id = '${deleted}'`
      )
      const { problems, rows } = yield* (yield* ActivityLog).verify({})
      assert.deepStrictEqual(
        problems.map(({ id, reason }) => [id, reason]),
        [
          [deleted, "it was deleted"],
          [changed, "it was changed"]
        ]
      )
      assert.strictEqual(rows, 2)
    }).pipe(provide(TenantId.make("beside")))
  )

  it.effect(
    "are found to be changed where they name rows, and then the root still finds the checkpoint",
    () =>
      Effect.gen(function* () {
        const activity = yield* ActivityLog
        for (const item of ["a", "b"]) yield* changeItem(item, 5, 6)
        yield* seal
        const forge = `UPDATE ${checkpoints} SET leaf_prefixes = '\\x0011223344556677' WHERE tenant_id = 'forged'`
        yield* tamper(forge)
        const named = yield* activity.verify({})
        assert.deepInclude(named, { rows: 2 })
        assert.lengthOf(named.problems, 1)
        assert.deepInclude(named.problems[0], { kind: "checkpoint", id: "1" })
        // With the prefix of the row as it is now, by who changed it.
        yield* tamper(
          `UPDATE ${log} SET action = 'item.kept' WHERE tenant_id = 'forged' AND activity_id = ${rowOf("forged", 1)}`,
          `UPDATE ${checkpoints} SET leaf_prefixes = NULL WHERE tenant_id = 'forged'`
        )
        const { problems } = yield* activity.verify({})
        assert.lengthOf(problems, 1)
        assert.deepInclude(problems[0], { kind: "checkpoint", id: "1" })
      }).pipe(provide(TenantId.make("forged")))
  )

  it.effect(
    "stay of a person who is erased before or after sealing, without an alarm, and nothing else stays",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { subjectData } = yield* PlatformDomain.domain.start
        if (subjectData === undefined) return assert.fail("no subject data")
        const subject = { kind: "customer", id: "zoe-7", identifiers: [] } as const
        const byZoe = changeItem("basket", 2, 3).pipe(
          Effect.provideService(Actor.Actor, { type: "user", id: "zoe-7", address: "198.51.100.7" })
        )
        yield* byZoe
        yield* changeItem("zoe-7", 2, 3)
        yield* changeItem("other", 2, 3)
        const expected = yield* sql<{ readonly hash: string }>`
        SELECT encode(sha256(actor_salt || convert_to(actor, 'UTF8')), 'hex') AS hash
          FROM hm_platform_activity_log
         WHERE tenant_id = 'leaving' AND actor LIKE '%zoe-7%'
      `
        assert.strictEqual((yield* subjectData.erase(subject)).rows, 2, "no checkpoint covers them yet")
        yield* seal
        yield* isClean(4)
        const stored = yield* sql<{ readonly hash: string }>`
        SELECT encode(actor_hash, 'hex') AS hash
          FROM hm_platform_activity_log
         WHERE tenant_id = 'leaving' AND actor_hash IS NOT NULL
      `
        assert.deepStrictEqual(stored, expected)

        yield* byZoe
        yield* seal
        const before = yield* kept
        assert.strictEqual((yield* subjectData.erase(subject)).rows, 1, "a checkpoint covers it")
        assert.strictEqual((yield* subjectData.erase(subject)).rows, 0)
        yield* seal
        const { report, stranger } = yield* verdicts(before)
        assert.deepStrictEqual([report.problems, stranger], [[], []])
        assert.deepInclude(report, { erased: 3 })
        assert.deepStrictEqual(yield* hashesOf("leaving"), [{ actors: 2, details: 1, leaves: 0 }])
        const left = yield* sql`
        SELECT 1
          FROM hm_platform_activity_log AS log
         WHERE tenant_id = 'leaving'
           AND (log::text LIKE '%zoe-7%' OR log::text LIKE '%198.51.100.7%'
                OR (actor IS NULL) <> (actor_salt IS NULL) OR (detail IS NULL) <> (detail_salt IS NULL))
      `
        assert.lengthOf(left, 0)

        yield* tamper(
          `UPDATE ${log} SET actor_hash = sha256('x') WHERE tenant_id = 'leaving' AND actor IS NULL`
        )
        const tampered = yield* verdicts(before)
        assert.deepStrictEqual(
          tampered.report.problems.map(({ kind, reason }) => `${kind} ${reason}`),
          ["row it was changed", "row it was changed"]
        )
        assert.isNotEmpty(tampered.stranger)
      }).pipe(Support.asSystem, provide(TenantId.make("leaving")), Effect.scoped)
  )
})

const tenant = TenantId.make("upgraded")
const { migrations } = PlatformDomain.domain
const lastBefore = 11
const before = { ...migrations, migrations: migrations.migrations.slice(0, lastBefore) }

const sha256 = (...parts: ReadonlyArray<Uint8Array | string>): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest()

/** A row as it was inserted before migration 0012, with all three hashes. */
const oldInsert = (place: number): string => {
  const id = `019cd700-0000-7000-8000-00000000000${place}`
  const recordedAt = `2026-03-10T11:59:0${place}.000000Z`
  const salt = Buffer.alloc(16, 40 + place)
  const actor = '{"id":"lea"}'
  const detail = `{"after":{"stock":${place}},"targetId":"old-${place}"}`
  const actorHash = sha256(salt, actor).toString("hex")
  const detailHash = sha256(salt, detail).toString("hex")
  const leaf = `{"action":"item.changed","activityId":"${id}","actor":"${actorHash}","actorType":"user","detail":"${detailHash}","recordedAt":"${recordedAt}","targetType":"item","tenantId":"${tenant}","v":1}`
  return `
    INSERT INTO ${log} (tenant_id, recorded_at, activity_id, action, actor_type, target_type, actor, actor_salt, actor_hash,
                        detail, detail_salt, detail_hash, leaf_hash)
    VALUES ('${tenant}', '${recordedAt}', '${id}', 'item.changed', 'user', 'item', '${actor}', '\\x${salt.toString("hex")}',
            '\\x${actorHash}', '${detail}', '\\x${salt.toString("hex")}', '\\x${detailHash}',
            '\\x${sha256(Buffer.of(0), leaf).toString("hex")}')
  `
}

layer(Support.layerLogOn(before), { excludeTestServices: true })("A log of before migration 0012", (it) => {
  it.effect(
    "goes on beside rows without hashes, in months that were there, and still shows what is changed",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase.TestDatabase
        const activity = yield* ActivityLog
        const now = yield* Now.TestNow
        yield* now.set(new Date("2026-03-10T12:00:00Z"))
        yield* Effect.forEach(PlatformDomain.domain.partitions, Partitions.maintain)
        yield* tamper(oldInsert(1), oldInsert(2), oldInsert(3))
        yield* Migrations.run([CoreDomain.migrations, migrations], "public").pipe(
          Effect.provide(Database.layerDirect(TestDatabase.optionsOf(url)))
        )
        yield* changeItem("new-1", 1, 2)
        yield* seal
        yield* isClean(4)
        // As it was sealed before: the rows have their hashes, and the checkpoint has nothing but ids.
        yield* tamper(`UPDATE ${checkpoints} SET leaf_prefixes = NULL`)
        yield* changeItem("new-2", 1, 2)
        yield* seal
        yield* isClean(6)
        assert.deepStrictEqual(yield* hashesOf(tenant), [{ actors: 3, details: 3, leaves: 3 }])

        const kinds = Effect.map(activity.verify({}), ({ problems }) =>
          problems.map(({ checkpoint, kind, reason }) => [kind, checkpoint, reason])
        )
        const changed = (column: string, place: number, value: string) =>
          tamper(
            `UPDATE ${log} SET ${column} = ${value} WHERE tenant_id = '${tenant}' AND activity_id = ${rowOf(tenant, place)}`
          )
        yield* changed("actor", 0, "replace(actor, 'lea', 'leo')")
        yield* changed("detail", 1, "replace(detail, 'stock', 'price')")
        yield* changed("action", 2, "'item.removed'")
        assert.deepStrictEqual(yield* kinds, [
          ["row", 1, "its actor was changed"],
          ["row", 1, "its target or state was changed"],
          ["row", 1, "it was changed"]
        ])
        yield* changed("actor", 0, "replace(actor, 'leo', 'lea')")
        yield* changed("detail", 1, "replace(detail, 'price', 'stock')")
        yield* changed("action", 2, "'item.changed'")
        assert.deepStrictEqual(yield* kinds, [])

        // A text cannot go without its hash, unless the rule goes first.
        const gone = tamper(
          `UPDATE ${log} SET actor = NULL, actor_salt = NULL WHERE tenant_id = '${tenant}' AND detail LIKE '%new-2%'`
        )
        assert.isTrue(Exit.isFailure(yield* Effect.exit(gone)))
        yield* tamper(`ALTER TABLE ${log} DROP CONSTRAINT actor_or_hash`)
        yield* gone
        const [first, second] = yield* kinds
        assert.deepStrictEqual(first, ["row", 2, "it was changed"])
        assert.deepStrictEqual(second?.[2], "it was erased, and no entry of an erasure names it")
      }).pipe(provide(tenant))
  )
})
