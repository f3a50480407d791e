/** Pages of a table in the order of its primary key, with the rows of a person in each. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"

export interface TableColumns {
  readonly table: string
  /** The types by the column, as the catalogue prints them. */
  readonly types: ReadonlyMap<string, string>
  /** The columns of the primary key, without the tenant. */
  readonly keys: ReadonlyArray<string>
}

/** Rows that one statement looks at: with payloads of 64 KiB still within a second or two. */
export const examinedMax = 1_000

interface CatalogueRow {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly place: number | null
}

/** The columns of tables that exist. The search path decides the schema, as for other statements. */
export const catalogue = (
  sql: SqlClient.SqlClient,
  tables: ReadonlyArray<{ readonly table: string }>
): Effect.Effect<ReadonlyMap<string, TableColumns>, SqlError> =>
  Effect.map(
    sql<CatalogueRow>`
      SELECT wanted.name AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
             (SELECT k.place
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
               WHERE k.attnum = a.attnum AND k.place <= i.indnkeyatts)::int AS place
        FROM (SELECT DISTINCT unnest(${tables.map(({ table }) => table)}::text[]) AS name) AS wanted
        JOIN pg_attribute AS a
          ON a.attrelid = to_regclass(wanted.name) AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index AS i
          ON i.indrelid = a.attrelid AND i.indisprimary
       ORDER BY place, a.attnum
    `,
    (rows) =>
      new Map(
        Array.from(
          Map.groupBy(rows, ({ table }) => table),
          ([table, columns]) => [
            table,
            {
              table,
              types: new Map(columns.map(({ name, type }) => [name, type])),
              keys: columns.flatMap(({ name, place }) =>
                place === null || name === "tenant_id" ? [] : [name]
              )
            }
          ]
        )
      )
  )

/** The expression of a column's text; undefined when the table has no such column. */
export const textOf = ({ types }: TableColumns, column: string): string | undefined => {
  const type = types.get(column)
  if (type === undefined) return undefined
  if (type.endsWith("[]")) return `array_to_string("${column}", ' ')`
  return type === "bytea" ? `encode("${column}", 'escape')` : `"${column}"::text`
}

interface Place {
  readonly tenantId: string
  readonly after: ReadonlyArray<string> | null
  readonly condition: Fragment
  /** True when the condition finds rows by an index. */
  readonly indexed: boolean
}

const listOf = (names: ReadonlyArray<string>): string => names.map((name) => `"${name}"`).join(", ")

const comma = (sql: SqlClient.SqlClient, parts: ReadonlyArray<Fragment>): Fragment => {
  const [first, ...others] = parts
  return first === undefined ? sql`` : others.reduce((left, right) => sql`${left}, ${right}`, first)
}

/** The CTE of the rows that are looked at, and the last key as JSON. */
const pageOf = (sql: SqlClient.SqlClient, { keys, table, types }: TableColumns, place: Place) => {
  const { after, condition, indexed, tenantId } = place
  const order = keys.length === 0 ? `"tenant_id"` : listOf(keys)
  const position =
    after === null || after.length !== keys.length || keys.length === 0
      ? sql``
      : sql`AND (${sql.literal(listOf(keys))}) > (${comma(
          sql,
          keys.map((key, index) => sql`${after[index] ?? ""}::text::${sql.literal(types.get(key) ?? "text")}`)
        )})`
  const read = sql`
    SELECT ${sql.literal(order)}, (${condition}) IS TRUE AS is_match
      FROM ${sql(table)}
     WHERE tenant_id = ${tenantId}
           ${position}
           ${indexed ? sql`AND (${condition})` : sql``}
     ORDER BY ${sql.literal(order)}
     LIMIT ${examinedMax}
  `
  const texts = keys.map((key) => `"${key}"::text`).join(", ")
  const last = sql.literal(
    `(SELECT json_build_array(${texts})::text FROM page ORDER BY ${keys.map((key) => `"${key}" DESC`).join(", ") || `"tenant_id"`} LIMIT 1)`
  )
  const same = sql.literal(
    ["tenant_id", ...keys]
      .map((key) => (key === "tenant_id" ? "" : ` AND target."${key}" = page."${key}"`))
      .join("")
  )
  return { read, last, same }
}

const decodeLast = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.String)))

const lastOf = (examined: number, last: string | null | undefined): ReadonlyArray<string> | null =>
  examined < examinedMax || last === null || last === undefined ? null : decodeLast(last)

export interface Page {
  readonly examined: number
  readonly count: number
  /** The last key; null at the end of the table. */
  readonly last: ReadonlyArray<string> | null
}

/** Deletes or changes the rows of one page that match, and returns their number and the last key; null at the end. */
export const page = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  columns: TableColumns,
  options: Place & { readonly change: Fragment | "delete" | "count" }
): Effect.fn.Return<Page, SqlError> {
  const { change, tenantId } = options
  const { last, read, same } = pageOf(sql, columns, options)
  const table = sql(columns.table)
  const changed =
    change === "count"
      ? sql`
          SELECT 1
            FROM page
           WHERE page.is_match
        `
      : change === "delete"
        ? sql`
            DELETE FROM ${table} AS target
             USING page
             WHERE page.is_match AND target.tenant_id = ${tenantId}${same}
            RETURNING 1
          `
        : sql`
            UPDATE ${table} AS target
               SET ${change}
              FROM page
             WHERE page.is_match AND target.tenant_id = ${tenantId}${same}
            RETURNING 1
          `
  const [row] = yield* sql<{
    readonly examined: number
    readonly count: number
    readonly last: string | null
  }>`
    WITH page AS (${read}),
         changed AS (${changed})
    SELECT (SELECT count(*)::int FROM page) AS examined, (SELECT count(*)::int FROM changed) AS count, ${last} AS last
  `
  const { count, examined } = row ?? { count: 0, examined: 0 }
  return { examined, count, last: lastOf(examined, row?.last) }
})

const decodeRow = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

/** Reads the rows of one page that match. */
export const read = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  columns: TableColumns,
  options: Place
): Effect.fn.Return<
  { readonly rows: ReadonlyArray<Schema.Json>; readonly last: ReadonlyArray<string> | null },
  SqlError
> {
  const { last, read: pageRows, same } = pageOf(sql, columns, options)
  const found = yield* sql<{
    readonly examined: number
    readonly last: string | null
    readonly row: string | null
  }>`
    WITH page AS (${pageRows}),
         examined AS (SELECT count(*)::int AS examined, ${last} AS last FROM page)
    SELECT examined.examined, examined.last, row_to_json(target)::text AS row
      FROM examined
      LEFT JOIN (page
                 JOIN ${sql(columns.table)} AS target
                   ON page.is_match AND target.tenant_id = ${options.tenantId}${same})
        ON true
  `
  return {
    rows: found.flatMap(({ row }) => (row === null ? [] : [decodeRow(row)])),
    last: lastOf(found[0]?.examined ?? 0, found[0]?.last)
  }
})
