import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import {
  IssueId,
  type IssueMerged,
  type IssueNotFound,
  type MergeInvalid,
  type NewMute
} from "@hypermarket/observability/Issue"
import { Issues } from "@hypermarket/observability/Issues"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, DateTime, Effect, Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { beginHour, capture, eventOf, issuesOf, layerServerOn, newTenant, projectOf } from "./errorServer.ts"
import { IssueModel, type Step } from "./issueModel.ts"

/** A small generator with a seed, so that a failure can be repeated. */
const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const operations = 160
const faults = 4

/** True while the job that ends mutes runs. */
const IsJob = Context.Reference<boolean>("@hypermarket/observability/test/IsJob", {
  defaultValue: () => false
})

const Named = Schema.Struct({ type: Schema.String, issueId: Schema.String })

/** Alerts and changes of operators as they were recorded: in the transaction of the change, numbered under its lock. */
const layerRecording = Layer.effectContext(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      CREATE TABLE test_step (
        step      bigserial PRIMARY KEY,
        tenant_id text      NOT NULL,
        kind      text      NOT NULL,
        body      jsonb     NOT NULL
      )
    `
    yield* sql`ALTER TABLE hm_error_log ADD COLUMN test_step bigint DEFAULT nextval('test_step_step_seq')`
    const insert = (kind: string, body: unknown) =>
      Effect.flatMap(
        Tenant,
        ({ id }) => sql`
          INSERT INTO test_step (tenant_id, kind, body)
          VALUES (${id}, ${kind}, ${JSON.stringify(body)}::jsonb)
        `
      )
    return Context.make(Audit.Audit, { record: (entry) => Effect.asVoid(insert("change", entry)) }).pipe(
      Context.add(Outbox.Outbox, {
        publish: (events) =>
          Effect.flatMap(IsJob, (isJob) =>
            Effect.asVoid(
              insert(
                isJob ? "job" : "alerts",
                events.map(({ subject, type }) => ({
                  issueId: subject ?? "",
                  type: type.replace(/^.*issue\.(.*)\.v1$/, "$1")
                }))
              )
            )
          )
      })
    )
  })
)

const database = TestDatabase.layer(CoreDomain.migrations, ObservabilityDomain.domain.migrations)

const layerServer = layerServerOn(database, { contracts: layerRecording })

const releaseOf = (n: number) => `shop@1.4.0.${n}`
const numberOf = (release: string | null): number | null =>
  release === null ? null : Number(release.split(".").at(-1))

const ChangeBody = Schema.Struct({
  action: Schema.String,
  target: Schema.Struct({ id: Schema.String }),
  after: Schema.Struct({
    resolution: Schema.NullOr(
      Schema.Struct({
        in: Schema.Literals(["now", "release", "next release"]),
        release: Schema.NullOr(Schema.String),
        at: Schema.String
      })
    ),
    mute: Schema.NullOr(
      Schema.Struct({
        until: Schema.NullOr(Schema.String),
        eventsLeft: Schema.NullOr(Schema.Int),
        window: Schema.NullOr(Schema.Struct({ events: Schema.Int, minutes: Schema.Int })),
        escalating: Schema.Boolean
      })
    ),
    merged: Schema.optionalKey(Schema.Array(Schema.String)),
    separated: Schema.optionalKey(Schema.String)
  })
})
const decodeChange = Schema.decodeUnknownEffect(ChangeBody)
const decodeNamed = Schema.decodeUnknownEffect(Schema.Array(Named))

/** A change of an operator as a step of the model. */
const stepOf = ({ action, after, target }: typeof ChangeBody.Type): Step => {
  const issueId = target.id
  const { mute, resolution } = after
  if (action === "issue.resolved" && resolution !== null) {
    const { at, in: where, release } = resolution
    return { kind: "resolved", issueId, in: where, at: Date.parse(at), release: numberOf(release) }
  }
  if (action === "issue.muted" && mute !== null) {
    const { escalating, eventsLeft, until, window } = mute
    return {
      kind: "muted",
      issueId,
      mute: { until: until === null ? null : Date.parse(until), left: eventsLeft, window, escalating }
    }
  }
  if (action === "issue.merged") return { kind: "merged", issueId, sources: after.merged ?? [] }
  if (action === "issue.unmerged") return { kind: "unmerged", issueId, source: after.separated ?? "" }
  return { kind: "reopened", issueId }
}

/** Returns the stored steps in the order in which they happened. */
const readSteps = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{
    readonly step: string
    readonly kind: string
    readonly body: unknown
    readonly issueId: string
    readonly receivedAt: Date
    readonly occurredAt: Date
    readonly release: string | null
    readonly user: string
  }>`
    SELECT test_step::text AS step, 'event' AS kind, NULL::jsonb AS body, issue_id::text AS "issueId",
           received_at AS "receivedAt", occurred_at AS "occurredAt", release, user_key AS user
      FROM hm_error_log
     WHERE tenant_id = ${tenant}
     UNION ALL
    SELECT step::text, kind, body, NULL, NULL, NULL, NULL, NULL
      FROM test_step
     WHERE tenant_id = ${tenant} AND (kind <> 'change' OR body ->> 'action' LIKE 'issue.%')
  `
  return rows.toSorted((a, b) => Number(a.step) - Number(b.step))
})

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Issues under concurrency", (it) => {
  for (const seed of [11, 12, 13, 14]) {
    it.effect(
      `states, counts and alerts are those of a reference model, with events, resolutions, mutes, merges and removed releases at once (seed ${seed})`,
      () =>
        Effect.gen(function* () {
          const issues = yield* Issues
          const projects = yield* ErrorProjects
          const clock = yield* Now.TestNow
          yield* beginHour
          const next = random(seed)
          const tenant = newTenant("model")
          const as = provide(TenantId.make(tenant))
          const project = yield* projectOf(tenant)
          const { jobs } = yield* ObservabilityDomain.domain.start
          const job = jobs.find(({ name }) => name === "observability.mute.end")
          if (job === undefined) return yield* Effect.die(new Error("there is no job"))
          const endMutes = job
            .run(null)
            .pipe(provide(TenantId.make("none")), Effect.provideService(IsJob, true))
          let sent = 0
          const send = Effect.fnUntraced(function* (
            fault: number,
            release: string | undefined,
            ageMillis: number
          ) {
            sent++
            const now = yield* Now.now
            const fields = {
              user: { id: `u${next(7)}` },
              timestamp: (now.getTime() - ageMillis) / 1_000,
              ...(release === undefined ? {} : { release })
            }
            yield* capture(tenant, project, eventOf({ functions: [`step${"abcd"[fault]}`], event: fields }))
          })
          const ids: Array<IssueId> = []
          for (let fault = 0; fault < faults; fault++) {
            yield* send(fault, releaseOf(2), 0)
            const made = (yield* issuesOf(tenant)).find(({ issueId }) => !ids.includes(issueId))
            if (made === undefined) return yield* Effect.die(new Error("there is no issue"))
            ids.push(made.issueId)
          }
          const [first = IssueId.make("")] = ids
          const anyIssue = () => ids[next(faults)] ?? first
          let changes = 0
          const operator = (
            change: Effect.Effect<unknown, IssueMerged | MergeInvalid | IssueNotFound | SqlError, Tenant>
          ) =>
            change.pipe(
              Effect.tap(() => Effect.sync(() => changes++)),
              // The issue was merged, or separated, by another operator meanwhile.
              Effect.catchTag(["IssueMerged", "MergeInvalid"], () => Effect.void),
              as
            )
          const muteOf = (now: Date): NewMute =>
            [
              { events: 1 + next(5) },
              { window: { events: 2 + next(4), minutes: 5 } },
              { escalating: true },
              { until: DateTime.makeUnsafe(now.getTime() + 50 + next(400)) },
              {
                events: 3,
                window: { events: 2, minutes: 1 },
                until: DateTime.makeUnsafe(now.getTime() + 200)
              },
              {}
            ][next(6)] ?? {}
          const stepAt = (): Effect.Effect<
            unknown,
            unknown,
            AllTenants | SqlClient.SqlClient | HttpClient.HttpClient
          > => {
            const issueId = anyIssue()
            const other = anyIssue()
            switch (next(16)) {
              case 0:
                return operator(issues.resolve(issueId, { in: "next release" }))
              case 1:
                return operator(issues.resolve(issueId, { in: "release", release: releaseOf(next(6)) }))
              case 2:
                return operator(issues.resolve(issueId, { in: "now" }))
              case 3:
              case 4:
                return Effect.flatMap(Now.now, (now) => operator(issues.mute(issueId, muteOf(now))))
              case 5:
                return operator(issues.reopen(issueId))
              case 6:
                return operator(issues.merge(issueId, [other], "same cause"))
              case 7:
                return operator(issues.unmerge(issueId, other, "other cause"))
              case 8:
                return Effect.ignore(projects.removeRelease(project.projectId, releaseOf(next(6))).pipe(as))
              case 9:
                return endMutes
              default:
                return send(
                  next(faults),
                  next(5) === 0 ? undefined : releaseOf(next(6)),
                  next(3) === 0 ? 60_000 : 0
                )
            }
          }
          yield* Effect.forEach(Array.from({ length: operations }), () => Effect.suspend(stepAt), {
            concurrency: 8,
            discard: true
          })
          yield* clock.adjust("10 minutes")
          yield* endMutes

          const model = new IssueModel()
          const alerts = new Map<string, Array<string>>()
          let events = 0
          let recorded = 0
          for (const row of yield* readSteps(tenant)) {
            if (row.kind === "event") {
              events++
              model.take({
                kind: "event",
                issueId: row.issueId,
                receivedAt: row.receivedAt.getTime(),
                occurredAt: row.occurredAt.getTime(),
                release: numberOf(row.release),
                user: row.user
              })
            } else if (row.kind === "change") {
              recorded++
              model.take(stepOf(yield* decodeChange(row.body)))
            } else {
              const published = yield* decodeNamed(row.body)
              for (const { issueId, type } of published) {
                alerts.set(issueId, [...(alerts.get(issueId) ?? []), type])
              }
              if (row.kind === "job") {
                model.take({ kind: "mutes-ended", issueIds: published.map(({ issueId }) => issueId) })
              }
            }
          }
          assert.deepStrictEqual(model.illegal, [])
          assert.strictEqual(events, sent)
          assert.strictEqual(recorded, changes)
          assert.sameMembers(Array.from(model.issues.keys()), ids)
          for (const [issueId, expected] of model.issues) {
            const issue = yield* issues.get(IssueId.make(issueId)).pipe(as)
            const shown = model.eventsOf(expected)
            const { state } = expected
            const root = Array.from(model.issues).find(([, other]) => other === expected.root)?.[0] ?? null
            assert.deepStrictEqual(
              {
                status: issue.status,
                mergedInto: issue.mergedInto,
                version: issue.version,
                events: issue.eventCount,
                users: issue.userCount,
                base: numberOf(issue.resolution?.release ?? null),
                eventsLeft: issue.mute?.eventsLeft ?? null,
                alerts: alerts.get(issueId)
              },
              {
                status: state.status,
                mergedInto: root,
                version: expected.version,
                events: shown.length,
                users: new Set(shown.map(({ user }) => user)).size,
                base: state.status === "resolved" ? state.base : null,
                eventsLeft: state.status === "muted" ? state.left : null,
                alerts: expected.alerts
              }
            )
            assert.isTrue(state.status !== "muted" || state.until === null || root !== null)
            if (root !== null) continue
            const summary = yield* issues.summary(issue.issueId).pipe(as)
            assert.strictEqual(
              summary.hours.reduce((sum, hour) => sum + hour.events, 0),
              shown.length
            )
          }
        }).pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.scoped)
    )
  }

  it.effect("100 first events of one fault at once, with two hashes each, make one issue", () =>
    Effect.gen(function* () {
      const tenant = newTenant("first")
      const project = yield* projectOf(tenant)
      yield* Effect.all(
        Array.from({ length: 100 }, (_, index) =>
          capture(tenant, project, eventOf({ functions: [`library${index % 7}`, "checkout"] }))
        ),
        { concurrency: 25, discard: true }
      )
      const found = yield* issuesOf(tenant)
      assert.strictEqual(
        found.reduce((sum, { eventCount }) => sum + eventCount, 0),
        100
      )
      assert.lengthOf(found, 1)
    })
  )
})
