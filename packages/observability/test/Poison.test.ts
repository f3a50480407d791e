import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const { count, update } = PoisonSuite

const layerTest = ObservabilityDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, ObservabilityDomain.domain.migrations)),
  Layer.provideMerge(Layer.succeed(Outbox.Outbox, { publish: () => Effect.void })),
  Layer.provideMerge(Now.layerTest),
  Layer.orDie
)

const run = (name: string) =>
  Effect.gen(function* () {
    const { jobs } = yield* ObservabilityDomain.domain.start
    const job = jobs.find((candidate) => candidate.name === name)
    if (job === undefined) return yield* Effect.die(new Error("there is no job"))
    yield* job.run(null).pipe(provide(TenantId.make("none")))
  }).pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromUnknown({ HM_OBSERVABILITY_EVENTS_KEPT_PER_HOUR: "2" })
    ),
    Effect.provideService(AllTenants, { actor: "test" }),
    Effect.scoped
  )

const schedule = `{"cron":null,"timeZone":"UTC","intervalMillis":7200000,"marginMillis":180000,"runtimeMillis":600000}`

/** Two monitors that are overdue since an hour. */
const watch = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO hm_error_monitor (tenant_id, project_id, slug, environment, schedule, status, since, next_due,
                                    recorded_at, updated_at)
      SELECT ${tenantId}, 7, slug, 'live', ${schedule}::jsonb, 'ok', now(), now() - interval '1 hour', now(), now()
        FROM unnest(ARRAY['import', 'stocktake']) AS slug
    `
  })

/** A muted issue whose time has come. */
const mute = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_error_issue (tenant_id, issue_id, project_id, kind, title, level, status, event_count, user_count,
                                  first_seen, last_seen, mute, recorded_at, updated_at)
      VALUES (${tenantId}, gen_random_uuid(), 7, 'message', 'Shelf is empty', 'warning', 'muted', 1, 0, now(), now(),
              '{"untilMillis":86400000,"eventsLeft":null,"window":null,"windowMillis":[],"escalating":false}', now(), now())
    `
  )

const isUnmuted = (tenantId: string) =>
  Effect.map(count("hm_error_issue", tenantId, "status = 'unresolved'"), (issues) => issues === 1)

/** An hour of an issue with more events than are kept. */
const fillHour = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* mute(tenantId)
    yield* sql`
      WITH hours AS (
        INSERT INTO hm_error_hour (tenant_id, issue_id, hour, events)
        SELECT tenant_id, issue_id, date_trunc('hour', now(), 'UTC') - interval '3 hours', 5
          FROM hm_error_issue
         WHERE tenant_id = ${tenantId}
        RETURNING issue_id, hour
      )
      INSERT INTO hm_error_log (tenant_id, issue_id, log_id, received_at, occurred_at, project_id, event_id, level, title,
                                is_skewed, payload)
      SELECT ${tenantId}, issue_id, gen_random_uuid(), hour + interval '4 minutes', hour, 7, gen_random_uuid(), 'error', '',
             false, ''
        FROM hours
       CROSS JOIN generate_series(1, 5)
    `
  })

/** A map that no stored event waits for. */
const addMap = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_error_source_map (tenant_id, debug_id, project_ids, map, recorded_at, used_at)
      VALUES (${tenantId}, gen_random_uuid(), '{7}', '', now() - interval '1 hour', now())
    `
  )

/** An upload whose chunks are gone. */
const addBundle = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_error_bundle (tenant_id, bundle_id, checksum, chunks, project_ids, debug_ids, status, recorded_at,
                                   updated_at)
      VALUES (${tenantId}, gen_random_uuid(), 'sum', ARRAY[repeat('a', 40)], '{7}', '{}', 'waiting', now(), now())
    `
  )

/** An event that waits for a worker, with what its submission tells of it. */
const addPending = (tenantId: string, hash: string, event: object = {}) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const fields = {
      eventId: crypto.randomUUID(),
      receivedAtMillis: now.getTime(),
      occurredAtMillis: now.getTime(),
      isSkewed: false,
      kind: "message",
      level: "warning",
      title: "Crate is empty",
      culprit: null,
      release: null,
      environment: "live",
      userKey: null,
      traceId: null,
      tags: [],
      hashes: [hash.repeat(32)],
      debugIds: [],
      ...event
    }
    yield* sql`
      INSERT INTO hm_error_pending (tenant_id, pending_id, project_id, received_at, title, event, payload)
      SELECT tenant_id, gen_random_uuid(), project_id, ${now}, 'Crate is empty', ${JSON.stringify(fields)}::text::jsonb, 'x'
        FROM hm_error_project
       WHERE tenant_id = ${tenantId}
    `
  })

const hold = (tenantId: string) =>
  Effect.gen(function* () {
    const projects = yield* ErrorProjects
    yield* projects.create({ slug: "crates" }).pipe(provide(TenantId.make(tenantId)))
    yield* addPending(tenantId, "a")
  })

/** True when the events that waited are stored, but for those that were dropped and counted. */
const isStored = (events: number) => (tenantId: string) =>
  Effect.map(
    Effect.all([count("hm_error_pending", tenantId), count("hm_error_log", tenantId)]),
    ([waiting, stored]) => waiting === 0 && stored === events
  )

const dropped = (tenantId: string) =>
  Effect.map(
    count("hm_error_count", tenantId, "outcome = 'dropped' AND reason = 'unstorable' AND quantity = 1"),
    (counts) => (counts === 1 ? "dropped as unstorable" : undefined)
  )

/** Doctor names the first ten projects. Those of earlier tests are of no interest. */
const forgetDropped = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM hm_error_count`)

const dropping = (
  kind: string,
  hash: string,
  event: object
): PoisonSuite.Poison<SqlClient.SqlClient | ErrorProjects> => ({
  name: `storing events that waited beside one with ${kind}`,
  work: (tenantId) => Effect.andThen(forgetDropped, hold(tenantId)),
  plant: (tenantId) => addPending(tenantId, hash, event),
  round: run("observability.source-map.work"),
  isDone: isStored(1),
  recorded: (tenantId) =>
    Effect.flatMap(isStored(1)(tenantId), (isKept) =>
      isKept ? dropped(tenantId) : Effect.succeed("the other event of the tenant is not stored")
    ),
  expected: /dropped as unstorable/,
  checks: ObservabilityDomain.domain.checks
})

const judging = (
  kind: string,
  change: string,
  loop: string,
  expected: RegExp
): PoisonSuite.Poison<SqlClient.SqlClient> => ({
  name: `judging monitors beside one with ${kind}`,
  work: watch,
  plant: (tenantId) => update("hm_error_monitor", tenantId, change, "slug = 'import'"),
  round: run("observability.monitor.judge"),
  isDone: (tenantId) =>
    Effect.map(
      count("hm_error_monitor", tenantId, "status = 'missed' AND next_due > now()"),
      (missed) => missed === 2
    ),
  recorded: PoisonSuite.loopFailure(loop),
  expected
})

const unreadable = /cannot read the schedule of monitor import of project 7/
const read = "observability.monitor.read"

layer(layerTest, { excludeTestServices: true })("Loops of observability", (it) => {
  PoisonSuite.suite(it, [
    judging(
      "a margin in words",
      `schedule = jsonb_set(schedule, '{marginMillis}', '"three minutes"')`,
      read,
      unreadable
    ),
    judging(
      "a margin beyond every timestamp",
      `schedule = jsonb_set(schedule, '{marginMillis}', '7e+290')`,
      read,
      unreadable
    ),
    // Each run that follows is before the one that was missed: without a bound the loop never ends.
    judging(
      "an interval below zero",
      `schedule = jsonb_set(schedule, '{intervalMillis}', '-5400000')`,
      read,
      unreadable
    ),
    judging(
      "a kind of schedule that a newer release has",
      `schedule = '{"rrule":"FREQ=DAILY"}'`,
      read,
      unreadable
    ),
    judging(
      "no instant as its next run",
      `next_due = '-infinity'`,
      "observability.monitor.judge",
      /timestamp cannot be/
    ),
    {
      name: "ending mutes beside one whose end is a text",
      work: mute,
      plant: (tenantId) =>
        update("hm_error_issue", tenantId, `mute = jsonb_set(mute, '{untilMillis}', '"next Monday"')`),
      round: run("observability.mute.end"),
      isDone: isUnmuted,
      recorded: PoisonSuite.loopFailure("observability.mute.read"),
      expected: /cannot read the end of the mute of issue/
    },
    {
      name: "ending mutes beside an issue that has no further version",
      work: mute,
      plant: (tenantId) => update("hm_error_issue", tenantId, "version = 2147483647"),
      round: run("observability.mute.end"),
      isDone: isUnmuted,
      recorded: PoisonSuite.loopFailure("observability.mute.end"),
      expected: /SQLSTATE 22003/
    },
    {
      name: "sampling beside an issue whose count overflows",
      work: fillHour,
      plant: (tenantId) => update("hm_error_issue", tenantId, "sampled_count = 9223372036854775806"),
      round: run("observability.event.sample"),
      isDone: (tenantId) => Effect.map(count("hm_error_log", tenantId, "true"), (events) => events === 2),
      recorded: PoisonSuite.loopFailure("observability.event.sample"),
      expected: /SQLSTATE 22003/
    },
    {
      name: "serving late maps beside one that cannot be changed",
      work: addMap,
      plant: (tenantId) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            ALTER TABLE hm_error_source_map
              ADD CONSTRAINT ${sql(`poison of ${tenantId}`)}
            CHECK (tenant_id <> ${sql.literal(`'${tenantId}'`)} OR is_fresh) NOT VALID
          `
        ),
      round: run("observability.source-map.work"),
      isDone: (tenantId) =>
        Effect.map(count("hm_error_source_map", tenantId, "NOT is_fresh"), (rows) => rows === 1),
      recorded: PoisonSuite.loopFailure("observability.source-map.serve"),
      expected: /SQLSTATE 23514, constraint poison of/
    },
    {
      name: "reading uploads beside one that was tried too often to wait",
      work: addBundle,
      plant: (tenantId) => update("hm_error_bundle", tenantId, "attempts = 2000"),
      round: run("observability.source-map.work"),
      isDone: (tenantId) =>
        Effect.map(count("hm_error_bundle", tenantId, "status = 'refused'"), (rows) => rows === 1),
      recorded: PoisonSuite.loopFailure("observability.bundle.read"),
      expected: /SQLSTATE 22003/
    },
    dropping("a form that only a newer release reads", "b", { hashes: { v2: "b" } }),
    dropping("a hash of another form", "g", {}),
    dropping("a time beyond every timestamp", "c", { receivedAtMillis: 9e15 }),
    dropping("a title longer than an issue's", "d", { title: "t".repeat(301) })
  ])

  it.effect("an event that cannot be counted either stays, and its tenant is recorded", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* hold("uncounted")
      yield* addPending("uncounted", "h")
      yield* sql`
        ALTER TABLE hm_error_count
          ADD CONSTRAINT counts_nothing
        CHECK (tenant_id <> 'uncounted' OR outcome <> 'dropped') NOT VALID
      `
      yield* run("observability.source-map.work")
      assert.strictEqual(yield* count("hm_error_pending", "uncounted", "event #>> '{hashes,0}' LIKE 'h%'"), 1)
      assert.match(
        (yield* PoisonSuite.loopFailure("observability.event.translate")("uncounted")) ?? "",
        /SQLSTATE 23514, constraint counts_nothing/
      )
      yield* sql`ALTER TABLE hm_error_count DROP CONSTRAINT counts_nothing`
      yield* Effect.flatMap(Now.TestNow, (clock) => clock.adjust("1 minute"))
      yield* run("observability.source-map.work")
      assert.strictEqual(yield* count("hm_error_pending", "uncounted"), 0)
      assert.isDefined(yield* dropped("uncounted"))
    })
  )

  it.effect(
    "an unreadable schedule stops no other monitor of its tenant, and is cleared when it is repaired",
    () =>
      Effect.gen(function* () {
        const failure = PoisonSuite.loopFailure(read)("repaired")
        const missed = count("hm_error_monitor", "repaired", "status = 'missed'")
        const judge = run("observability.monitor.judge")
        yield* watch("repaired")
        yield* update("hm_error_monitor", "repaired", `schedule = '[]'`, "slug = 'stocktake'")
        yield* judge
        assert.strictEqual(yield* missed, 1)
        assert.match((yield* failure) ?? "", /monitor stocktake/)
        yield* update("hm_error_monitor", "repaired", `schedule = '${schedule}'`)
        yield* Effect.flatMap(Now.TestNow, (clock) => clock.adjust("1 minute"))
        yield* judge
        assert.strictEqual(yield* missed, 2)
        assert.isUndefined(yield* failure)
      })
  )

  it.effect("a mute that is repaired ends, and is no failure any more", () =>
    Effect.gen(function* () {
      const failure = PoisonSuite.loopFailure("observability.mute.read")("corrected")
      const endMutes = run("observability.mute.end")
      yield* mute("corrected")
      yield* update("hm_error_issue", "corrected", `mute = jsonb_set(mute, '{untilMillis}', '[1]')`)
      yield* endMutes
      assert.isFalse(yield* isUnmuted("corrected"))
      assert.isDefined(yield* failure)
      yield* update("hm_error_issue", "corrected", `mute = jsonb_set(mute, '{untilMillis}', '1')`)
      yield* Effect.flatMap(Now.TestNow, (clock) => clock.adjust("1 minute"))
      yield* endMutes
      assert.isTrue(yield* isUnmuted("corrected"))
      assert.isUndefined(yield* failure)
    })
  )
})
