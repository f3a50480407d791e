import { assert, layer } from "@effect/vitest"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Exit, Fiber, Layer, Ref } from "effect"
import { SqlClient } from "effect/sql"

const tableOf = (name: string, type: "date" | "timestamptz") => [
  `CREATE TABLE ${name} (
     tenant_id text NOT NULL, day ${type} NOT NULL, note text CONSTRAINT short_note CHECK (length(note) < 100),
     PRIMARY KEY (tenant_id, note, day)
   ) PARTITION BY RANGE (day)`,
  `CREATE TABLE ${name}_default PARTITION OF ${name} DEFAULT`,
  `CREATE INDEX ${name}_note ON ${name} (tenant_id, day)`
]

const migrations = Migrations.make(
  "test",
  {
    "0001_tables": Migrations.migration(
      [
        ...["hm_a", "hm_b", "hm_c", "hm_d", "hm_e", "hm_f", "hm_g", "hm_h"].flatMap((name) =>
          tableOf(name, "date")
        ),
        ...tableOf("hm_month", "timestamptz"),
        ...tableOf("hm_late", "timestamptz")
      ],
      { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
    )
  },
  { release: "0.1.0" }
)

const TestLayer = Now.layerTest.pipe(Layer.provideMerge(TestDatabase.layer(migrations)))

const partitionsOf = (table: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly name: string; readonly rows: number }>`
      SELECT c.relname AS name,
             (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', c.relname), false, true, '')))[1]::text::int AS rows
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = ${table}::regclass
       ORDER BY 1
    `
  ).pipe(Effect.map((rows) => Object.fromEntries(rows.map((row) => [row.name, row.rows]))))

const at = (text: string) => Effect.flatMap(Now.TestNow, (time) => time.set(new Date(text)))

layer(TestLayer, { excludeTestServices: true })("Partitions", (it) => {
  it.effect("of every table are made by the job though one table is missing, and the job fails", () =>
    Effect.gen(function* () {
      yield* at("2027-02-03T00:00:00Z")
      const job = Partitions.job(
        ["hm_e", "hm_gone", "hm_f"].map((table) =>
          Partitions.make({ table, by: "day", every: "day", ahead: 1 })
        )
      )
      const exit = yield* Effect.exit(job.run(null))
      assert.isTrue(Exit.isFailure(exit))
      for (const table of ["hm_e", "hm_f"]) {
        assert.hasAllKeys(yield* partitionsOf(table), [
          `${table}_default`,
          `${table}_p20270203`,
          `${table}_p20270204`
        ])
      }
    })
  )

  it.effect("are made ahead, like their table, and rows find them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* at("2026-02-27T12:00:00Z")
      const self = Partitions.make({
        table: "hm_a",
        by: "day",
        every: "day",
        ahead: 2,
        storage: "fillfactor = 70"
      })
      yield* Partitions.maintain(self)
      yield* Partitions.maintain(self)
      yield* sql`
        INSERT INTO hm_a
        VALUES ('t', '2026-02-28', 'in'), ('t', '2026-03-01', 'last'), ('t', '2026-03-02', 'none')
      `
      assert.deepStrictEqual(yield* partitionsOf("hm_a"), {
        hm_a_default: 1,
        hm_a_p20260227: 0,
        hm_a_p20260228: 1,
        hm_a_p20260301: 1
      })
      const [made] = yield* sql<{
        readonly options: ReadonlyArray<string>
        readonly indexes: number
        readonly checks: number
      }>`
        SELECT reloptions AS options, (SELECT count(*)::int FROM pg_index WHERE indrelid = c.oid) AS indexes,
               (SELECT count(*)::int
                  FROM pg_constraint
                 WHERE conrelid = c.oid AND contype = 'c') AS checks
          FROM pg_class c
         WHERE relname = 'hm_a_p20260227'
      `
      assert.deepStrictEqual(made, { options: ["fillfactor=70"], indexes: 2, checks: 1 })
    })
  )

  it.effect("of the past are made on demand, and take their rows out of the default partition", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const self = Partitions.make({ table: "hm_month", by: "day", every: "month", ahead: 1 })
      yield* sql`
        INSERT INTO hm_month
        SELECT 't', '2025-11-15 00:00:00+00'::timestamptz + n * interval '1 day', n::text
          FROM generate_series(0, 59) n
      `
      yield* Partitions.ensure(self, new Date("2025-11-20T00:00:00Z"), new Date("2025-12-31T23:59:59Z"))
      assert.deepStrictEqual(yield* partitionsOf("hm_month"), {
        hm_month_default: 13,
        hm_month_p202511: 16,
        hm_month_p202512: 31
      })
      // The bounds are midnight UTC.
      yield* sql`
        INSERT INTO hm_month
        VALUES ('t', '2025-12-31 23:59:59.999+00', 'x'), ('t', '2026-01-01 00:00:00+00', 'y')
      `
      assert.deepInclude(yield* partitionsOf("hm_month"), { hm_month_default: 14, hm_month_p202512: 32 })
    })
  )

  it.effect("that are older than kept are dropped, but not what is still in use", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* at("2026-01-10T12:00:00Z")
      const oldest = yield* Ref.make<Date | undefined>(new Date("2026-01-03T05:00:00Z"))
      const kept = yield* Ref.make(new Date("2026-01-04T00:00:00Z"))
      const self = Partitions.make({
        table: "hm_b",
        by: "day",
        every: "day",
        keep: "3 days",
        ahead: 1,
        oldestInUse: Ref.get(oldest),
        isInUse: ({ from, to }) => Effect.map(Ref.get(kept), (at) => from <= at && at < to)
      })
      yield* Partitions.ensure(self, new Date("2026-01-01T00:00:00Z"), new Date("2026-01-10T00:00:00Z"))
      yield* sql`
        INSERT INTO hm_b
        SELECT 't', '2026-01-01'::date + n, n::text
          FROM generate_series(0, 9) n
      `
      assert.deepStrictEqual(yield* Partitions.maintain(self), ["hm_b_p20260101", "hm_b_p20260102"])
      yield* Ref.set(oldest, undefined)
      assert.deepStrictEqual(yield* Partitions.maintain(self), [
        "hm_b_p20260103",
        "hm_b_p20260105",
        "hm_b_p20260106"
      ])
      yield* Ref.set(kept, new Date("2026-01-10T00:00:00Z"))
      assert.deepStrictEqual(yield* Partitions.maintain(self), ["hm_b_p20260104"])
      assert.deepStrictEqual(
        (yield* sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM hm_b`)[0]?.n,
        4
      )
      assert.lengthOf(
        yield* sql`
          SELECT 1
            FROM pg_class
           WHERE relname LIKE 'hm_b_p202601%' AND relkind = 'r'
        `,
        5
      )
    })
  )

  it.effect(
    "are made once by several makers at a time, while a reader sits in the table and writers write",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* at("2026-05-01T12:00:00Z")
        const self = Partitions.make({ table: "hm_c", by: "day", every: "day", ahead: 3 })
        const reading = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const reader = yield* Effect.forkChild(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`SELECT count(*) FROM hm_c`
              yield* Deferred.succeed(reading, undefined)
              yield* Deferred.await(release)
            })
          )
        )
        yield* Deferred.await(reading)
        const makers = yield* Effect.forkChild(
          Effect.forEach([1, 2, 3], () => Partitions.maintain(self), { concurrency: 3 })
        )
        // Writers get through while the makers wait for the reader.
        for (let n = 0; n < 20; n++) yield* sql`INSERT INTO hm_c VALUES ('t', '2026-05-02', ${String(n)})`
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(reader)
        yield* Fiber.join(makers)
        const parts = yield* partitionsOf("hm_c")
        assert.deepStrictEqual(parts, {
          hm_c_default: 0,
          hm_c_p20260501: 0,
          hm_c_p20260502: 20,
          hm_c_p20260503: 0,
          hm_c_p20260504: 0
        })
      })
  )

  it.effect("that are missing, and rows that found none, are told by the check", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* at("2026-07-01T12:00:00Z")
      const self = Partitions.make({ table: "hm_d", by: "day", every: "day", ahead: 3 })
      const { run } = Partitions.check([self])
      yield* sql`INSERT INTO hm_d VALUES ('t', '2026-07-01', 'stray')`
      assert.deepStrictEqual(
        (yield* run).map((finding) => finding.status),
        ["fail", "warn"]
      )
      yield* Partitions.maintain(self)
      assert.deepStrictEqual(
        (yield* run).map((finding) => finding.status),
        ["ok"]
      )
    })
  )

  it.effect(
    "take rows out of the default partition as they age: kept ones move, the others are deleted",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* at("2026-09-20T12:00:00Z")
        const oldest = yield* Ref.make<Date | undefined>(new Date("2026-07-11T23:00:00Z"))
        const self = Partitions.make({
          table: "hm_late",
          by: "day",
          every: "month",
          keep: "40 days",
          ahead: 1,
          oldestInUse: Ref.get(oldest)
        })
        yield* sql`
        INSERT INTO hm_late
        SELECT 't', i.at::timestamptz, i.at
          FROM unnest(ARRAY['1970-01-01 00:00:00+00', '2026-06-30 23:59:59.999+00', '2026-07-01 00:00:00+00',
                            '2026-08-31 23:00:00+00', '2026-09-02 00:00:00+00', '2027-03-01 00:00:00+00']) AS i (at)
      `
        assert.deepStrictEqual(yield* Partitions.maintain(self), [])
        assert.deepStrictEqual(yield* partitionsOf("hm_late"), {
          hm_late_default: 1,
          hm_late_p202607: 1,
          hm_late_p202608: 1,
          hm_late_p202609: 1,
          hm_late_p202610: 0
        })
        yield* Ref.set(oldest, undefined)
        assert.deepStrictEqual(yield* Partitions.maintain(self), ["hm_late_p202607"])
        // What is far ahead waits for its time.
        assert.deepStrictEqual(yield* sql`SELECT note FROM hm_late_default`, [
          { note: "2027-03-01 00:00:00+00" }
        ])
      })
  )

  it.effect(
    "delete more aged rows of the default partition than one statement does, and drop no kept one",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* at("2027-06-10T12:00:00Z")
        const self = Partitions.make({ table: "hm_g", by: "day", every: "day", keep: "3 days", ahead: 1 })
        yield* sql`
        INSERT INTO hm_g
        SELECT 't', '2027-06-06'::date, n::text
          FROM generate_series(1, 12345) n
      `
        yield* sql`INSERT INTO hm_g VALUES ('t', '2027-06-07', 'kept')`
        yield* Partitions.maintain(self)
        assert.deepStrictEqual(yield* partitionsOf("hm_g"), {
          hm_g_default: 0,
          hm_g_p20270607: 1,
          hm_g_p20270610: 0,
          hm_g_p20270611: 0
        })
      })
  )

  it.effect("leave aged rows of a period in use, which move out of the default partition", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* at("2027-09-09T12:00:00Z")
      const self = Partitions.make({
        table: "hm_h",
        by: "day",
        every: "day",
        keep: "5 days",
        ahead: 1,
        isInUse: ({ from }) => Effect.succeed(from.getTime() === Date.UTC(2027, 7, 20))
      })
      yield* sql`
        INSERT INTO hm_h
        SELECT 't', day, n::text
          FROM unnest(ARRAY['-infinity', '0044-03-15 BC', '2027-08-19', '2027-08-20', '2027-08-20', '2027-08-21', '2027-09-05']::date[])
          WITH ORDINALITY AS d (day, n)
      `
      assert.deepStrictEqual(yield* Partitions.maintain(self), [])
      assert.deepStrictEqual(yield* partitionsOf("hm_h"), {
        hm_h_default: 0,
        hm_h_p20270820: 2,
        hm_h_p20270905: 1,
        hm_h_p20270909: 0,
        hm_h_p20270910: 0
      })
    })
  )

  it("refuse names that are none", () => {
    assert.throws(() => Partitions.make({ table: "a; drop", by: "day", every: "day", ahead: 1 }))
    assert.throws(() =>
      Partitions.make({ table: "a", by: "day", every: "day", ahead: 1, storage: "x = 1); --" })
    )
  })
})
