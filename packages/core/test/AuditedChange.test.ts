import { assert, describe, it, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Job from "@hypermarket/core/Job"
import { AllTenants, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer } from "effect"
import { HttpApi, HttpApiEndpoint } from "effect/http-api"
import { SqlClient, SqlError } from "effect/sql"

interface Recorded extends Audit.Entry {
  readonly tenantId: string
}

const recorder = () => {
  const entries: Array<Recorded> = []
  const audit: Audit.Audit = {
    record: (entry) => Effect.map(Tenant, ({ id }) => void entries.push({ ...entry, tenantId: id }))
  }
  return { audit, entries }
}

const acme = TenantId.make("acme")
const prune = "core.audit.probe"

layer(TestDatabase.layer(CoreDomain.migrations), { excludeTestServices: true })("An audited change", (it) => {
  const write = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO hm_loop_failure (tenant_id, loop, failures, reason, last_error, began_at, failed_at, retry_at)
      VALUES ('acme', ${prune}, 1, 'x', 'x', now(), now(), now())
    `
    return { loop: prune, count: 9007199254740993n }
  })
  const count = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_loop_failure
       WHERE loop = ${prune}
    `
    return { count: row?.count }
  })
  const changed = (audit: Audit.Audit) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return yield* AuditedChange.change(sql, write, {
        action: "loop.failed",
        target: ({ loop }) => ({ type: "loop", id: loop }),
        before: count,
        after: (result) => result
      })
    }).pipe(Audit.inLogOf("acme"), Effect.provideService(Audit.Audit, audit))

  it.effect("is undone when its entry cannot be recorded", () =>
    Effect.gen(function* () {
      const failing: Audit.Audit = {
        record: () =>
          Effect.fail(
            new SqlError.SqlError({
              reason: new SqlError.UnknownError({ cause: "full", operation: "insert" })
            })
          )
      }
      assert.isTrue(Exit.isFailure(yield* Effect.exit(changed(failing))))
      assert.deepStrictEqual(yield* count, { count: 0 })
    })
  )

  it.effect("records the target before and after, with 64-bit integers as text", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { audit, entries } = recorder()
      yield* changed(audit)
      yield* sql`DELETE FROM hm_loop_failure WHERE tenant_id = 'acme'`
      assert.deepStrictEqual(entries, [
        {
          action: "loop.failed",
          target: { type: "loop", id: prune },
          before: { count: 0 },
          after: { loop: prune, count: "9007199254740993" },
          tenantId: "acme"
        }
      ])
    })
  )

  it.effect("is recorded from a job too: what a domain brings runs with the contracts that others fill", () =>
    Effect.gen(function* () {
      const { audit, entries } = recorder()
      const audits = Domain.make({
        name: "audits",
        tables: ["hm_audits_"],
        migrations: CoreDomain.migrations,
        layer: Layer.empty,
        contracts: Layer.succeed(Audit.Audit, audit)
      })
      const works = Domain.make({
        name: "works",
        tables: ["hm_works_"],
        migrations: CoreDomain.migrations,
        layer: Layer.empty,
        jobs: [
          Job.scheduled({
            name: "works.entry.write",
            every: "1 hour",
            run: Audit.record({ action: "entry.written", target: { type: "entry", id: "1" } }).pipe(
              Audit.inLogOf("acme")
            )
          })
        ]
      })
      const [, started] = yield* Domain.start([audits, works])
      yield* started?.jobs[0]?.run(null) ?? Effect.void
      assert.deepStrictEqual(
        entries.map(({ action }) => action),
        ["entry.written"]
      )
    }).pipe(
      Effect.provide(Wakeup.layerSend),
      Audit.inLogOf(acme),
      Effect.provideService(AllTenants, { actor: "test" })
    )
  )
})

describe("The annotations of the audit log", () => {
  class Group extends Endpoint.group(
    "things",
    { title: "Things", description: "Things of this test." },
    HttpApiEndpoint.get("list", "/things").annotate(RequiredScope, "test:read"),
    HttpApiEndpoint.post("bare", "/things").annotate(RequiredScope, "test:write"),
    HttpApiEndpoint.patch("spoken", "/things")
      .annotate(RequiredScope, "test:write")
      .annotate(Audit.Audited, "ChangeThing"),
    HttpApiEndpoint.put("both", "/things")
      .annotate(RequiredScope, "test:write")
      .annotate(Audit.Audited, "thing.put")
      .annotate(Audit.NotAudited, "no"),
    HttpApiEndpoint.delete("right", "/things")
      .annotate(RequiredScope, "test:write")
      .annotate(Audit.Audited, "thing.removed")
  ) {}
  class Api extends HttpApi.make("test").add(Group) {}

  it("are asked for on every endpoint that is not GET, naming what to add", () => {
    const findings = Endpoint.auditFindings(Api)
    assert.deepStrictEqual(
      findings.map((finding) => finding.split(/[ :]/)[0]),
      ["things.bare", "things.spoken", "things.both"]
    )
    assert.include(findings[0] ?? "", '.annotate(Audited, "<noun>.<past participle>")')
    assert.deepStrictEqual(Array.from(Endpoint.auditedActions(Api)).at(-1), ["things.right", "thing.removed"])
  })
})
