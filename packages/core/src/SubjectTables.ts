/**
 * `SubjectData` from a list of a domain's tables: how rows of a person are found in each, and what becomes of them.
 *
 * A call looks at pages of tables in the order of their primary keys, some 1,000 rows, in one transaction. The cursor names the
 * table and the last key. Tables come in the order of the list: what refers to rows of another table comes before it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { patternsOf, valuesOf } from "./internal/subjectText.ts"
import * as Walk from "./internal/subjectWalk.ts"
import type { Erased, ExportedRow, Identifier, Kept, Subject, SubjectData } from "./SubjectData.ts"
import { Tenant } from "./Tenant.ts"
import { transactionOf } from "./Transaction.ts"

/**
 * Finds the rows of a person. A row is one of the person when any column is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Find {
  /** Columns that are one of the subject's names, or one of the related keys of a name: `{ column, of }`. */
  readonly ids?: ReadonlyArray<string | { readonly column: string; readonly of: string }>
  /** Columns of text, JSON or bytes in which a name of the subject occurs. */
  readonly texts?: ReadonlyArray<string>
  /** The column with the kind of the subject, for `ids`: customer 7 is not seller 7. */
  readonly kind?: string
  /** True when an index begins with the tenant and the column of `ids`: then no other rows are read.
   *  @default false */
  readonly indexed?: boolean
  /** The kinds of subjects whose ids the columns of `ids` hold.
   *  @default all */
  readonly only?: ReadonlyArray<Subject["kind"]>
  /** A further condition in SQL on the columns of the table. */
  readonly where?: string
}

/**
 * The value that an anonymised column gets. `marker` is `{"erased": true}`, `empty` the empty text, list or bytes. `pseudonym` is
 * `erased:` and a random text, the same for all rows of an erasure with the same value. `replaced` puts `"erased"` in the place of
 * each JSON string that is a name of the subject. `expression` is SQL over `target`, the row.
 *
 * @category models
 * @since 0.1.0
 */
export type Replacement =
  | "null"
  | "marker"
  | "empty"
  | "pseudonym"
  | "replaced"
  | { readonly expression: string }

/**
 * A table of the domain.
 *
 * @category models
 * @since 0.1.0
 */
export type Table =
  | { readonly table: string; readonly holds: "nothing" }
  | { readonly table: string; readonly holds: "rows"; readonly find: Find }
  | {
      readonly table: string
      readonly holds: "columns"
      readonly find: Find
      readonly set: Readonly<Record<string, Replacement>>
      readonly reason: string
    }
  | { readonly table: string; readonly holds: "passing"; readonly find: Find; readonly reason: string }

/**
 * A table that holds nothing of a person. The reason is for the reader of the list.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nothing = (table: string, _reason: string): Table => ({ table, holds: "nothing" })

/**
 * Rows that are deleted with the person.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rows = (table: string, find: Find): Table => ({ table, holds: "rows", find })

/**
 * Rows that stay without the person. The reason is for the receipt.
 *
 * @category constructors
 * @since 0.1.0
 */
export const columns = (
  table: string,
  find: Find,
  options: { readonly set: Readonly<Record<string, Replacement>>; readonly reason: string }
): Table => ({ table, holds: "columns", find, ...options })

/**
 * Rows of work in flight, which go when it ends. They are left alone, and counted as waiting.
 *
 * @category constructors
 * @since 0.1.0
 */
export const passing = (table: string, find: Find, reason: string): Table => ({
  table,
  holds: "passing",
  find,
  reason
})

/**
 * Keys of rows that belong to a subject, by the name that `{ column, of }` has.
 *
 * @category models
 * @since 0.1.0
 */
export type Related = Readonly<Record<string, ReadonlyArray<string>>>

/**
 * @category options
 * @since 0.1.0
 */
export interface Options<R> {
  readonly tables: ReadonlyArray<Table>
  /** Returns identifiers that the domain holds of the subject beyond those it came with. */
  readonly discover?: (
    subject: Subject
  ) => Effect.Effect<ReadonlyArray<Identifier>, SqlError, Tenant | R | SqlClient.SqlClient>
  /** Looks up keys for `{ column, of }`, at each call. */
  readonly related?: (subject: Subject) => Effect.Effect<Related, SqlError, Tenant | R | SqlClient.SqlClient>
}

type Holding = Exclude<Table, { readonly holds: "nothing" }>

/** The name of an entry of the list in a cursor: a table may have several. */
interface Labelled {
  readonly label: string
}

const labelled = <A extends Table>(tables: ReadonlyArray<A>): ReadonlyArray<A & Labelled> => {
  const counts = new Map<string, number>()
  return tables.map((table) => {
    const count = counts.get(table.table) ?? 0
    counts.set(table.table, count + 1)
    return { ...table, label: count === 0 ? table.table : `${table.table} ${count + 1}` }
  })
}

const isHolding = (table: Table): table is Holding => table.holds !== "nothing"

/** The table, the last key of it, and the text that pseudonyms are made with. */
const Cursor = Schema.fromJsonString(
  Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String)), Schema.String])
)
const decodeCursor = Schema.decodeUnknownOption(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

const conditionOf = (
  sql: SqlClient.SqlClient,
  table: Walk.TableColumns,
  find: Find,
  subject: Subject,
  related: Related
): Fragment => {
  const names = valuesOf(subject)
  const { email, exact } = patternsOf(names)
  const kind = find.kind === undefined ? undefined : sql`${sql(find.kind)} = ${subject.kind}`
  const hasIds = find.only === undefined || find.only.includes(subject.kind)
  const ids = (hasIds ? (find.ids ?? []) : []).flatMap((id) => {
    const [column, values] = typeof id === "string" ? [id, names] : [id.column, related[id.of] ?? []]
    const type = table.types.get(column)
    if (type === undefined || values.length === 0) return []
    const isOne = sql`${sql(column)} = ANY (${values}::${sql.literal(type)}[])`
    return [kind === undefined ? isOne : sql.and([kind, isOne])]
  })
  const texts = (find.texts ?? []).flatMap((column) => {
    const text = Walk.textOf(table, column)
    if (text === undefined) return []
    return [
      ...(exact === undefined ? [] : [sql`${sql.literal(text)} ~ ${exact}`]),
      ...(email === undefined ? [] : [sql`${sql.literal(text)} ~* ${email}`])
    ]
  })
  const all = [...ids, ...texts]
  if (all.length === 0) return sql`false`
  return find.where === undefined ? sql.or(all) : sql.and([sql.literal(find.where), sql.or(all)])
}

/** Strings of JSON that are a name of the subject, for `replaced`. */
const stringsOf = (subject: Subject): string =>
  `"(?:${valuesOf(subject)
    .map((value) =>
      JSON.stringify(value)
        .slice(1, -1)
        .replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    )
    .join("|")})"`

const assignmentOf = (
  sql: SqlClient.SqlClient,
  table: Walk.TableColumns,
  set: Readonly<Record<string, Replacement>>,
  subject: Subject,
  alias: string
): Fragment | undefined => {
  const assignments = Object.entries(set).flatMap(([column, replacement]) => {
    const type = table.types.get(column)
    if (type === undefined) return []
    const name = sql.literal(`"${column}"`)
    const cast = sql.literal(type)
    if (typeof replacement === "object") return [sql`${name} = ${sql.literal(replacement.expression)}`]
    switch (replacement) {
      case "null":
        return [sql`${name} = NULL`]
      case "empty":
        return [sql`${name} = ${sql.literal(type.endsWith("[]") ? `'{}'` : `''`)}`]
      case "marker":
        return [sql`${name} = '{"erased": true}'`]
      case "pseudonym":
        return [sql`${name} = 'erased:' || md5(${alias}::text || target.${name})`]
      case "replaced":
        return [
          sql`${name} = regexp_replace(target.${name}::text, ${stringsOf(subject)}, '"erased"', 'g')::${cast}`
        ]
    }
  })
  const [first, ...others] = assignments
  return first === undefined ? undefined : others.reduce((left, right) => sql`${left}, ${right}`, first)
}

/**
 * Makes the `SubjectData` of a domain. A table that the database does not have yet is passed over.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): SubjectData<R | SqlClient.SqlClient> => {
  const tables = labelled(options.tables)
  const holding = labelled(options.tables.filter(isHolding))
  const relatedOf = (subject: Subject) => options.related?.(subject) ?? Effect.succeed({})

  const next = (list: ReadonlyArray<Labelled>, current: string): string | undefined =>
    list[list.findIndex(({ label }) => label === current) + 1]?.label

  const erase = Effect.fnUntraced(function* (subject: Subject, cursor?: string) {
    const sql = yield* SqlClient.SqlClient
    const tenant = yield* Tenant
    const [first, start, alias] = Option.getOrElse(decodeCursor(cursor), (): typeof Cursor.Type => [
      holding[0]?.label ?? "",
      null,
      crypto.randomUUID()
    ])
    const work = Effect.gen(function* () {
      const existing = yield* Walk.catalogue(sql, holding)
      const related = yield* relatedOf(subject)
      const kept: Array<Kept> = []
      const waiting: Array<Kept> = []
      let rows = 0
      let examined = 0
      let label: string | undefined = first
      let after: ReadonlyArray<string> | null = start
      while (label !== undefined && examined < Walk.examinedMax) {
        const current: string = label
        const table = holding.find((candidate) => candidate.label === current)
        const columns = table === undefined ? undefined : existing.get(table.table)
        if (table === undefined || columns === undefined) {
          label = table === undefined ? undefined : next(holding, current)
          after = null
          continue
        }
        const page: Walk.Page = yield* Walk.page(sql, columns, {
          tenantId: tenant.id,
          after,
          condition: conditionOf(sql, columns, table.find, subject, related),
          indexed: table.find.indexed === true,
          change:
            table.holds === "rows"
              ? "delete"
              : table.holds === "passing"
                ? "count"
                : (assignmentOf(sql, columns, table.set, subject, alias) ?? "count")
        })
        examined += page.examined
        if (table.holds !== "passing") rows += page.count
        if (table.holds !== "rows" && page.count > 0) {
          const left = { table: table.table, rows: page.count, reason: table.reason }
          if (table.holds === "passing") waiting.push(left)
          else kept.push(left)
        }
        after = page.last
        label = page.last === null ? next(holding, current) : current
      }
      return {
        rows,
        kept,
        ...(waiting.length === 0 ? {} : { waiting }),
        ...(label === undefined ? {} : { cursor: encodeCursor([label, after, alias]) })
      } satisfies Erased
    })
    return yield* transactionOf(sql)(work)
  })

  const eraseTenant = Effect.fnUntraced(function* (cursor?: string) {
    const sql = yield* SqlClient.SqlClient
    const tenant = yield* Tenant
    const label = Option.match(decodeCursor(cursor), {
      onNone: () => tables[0]?.label ?? "",
      onSome: ([current]) => current
    })
    const name = tables.find((table) => table.label === label)?.table ?? ""
    const work = Effect.gen(function* () {
      const existing = (yield* Walk.catalogue(sql, tables)).get(name)
      return existing === undefined || !existing.types.has("tenant_id")
        ? { count: 0, last: null }
        : yield* Walk.page(sql, existing, {
            tenantId: tenant.id,
            after: null,
            condition: sql`true`,
            indexed: false,
            change: "delete"
          })
    })
    const { count, last } = yield* transactionOf(sql)(work)
    const following = last === null ? next(tables, label) : label
    return {
      rows: count,
      kept: [],
      ...(following === undefined ? {} : { cursor: encodeCursor([following, null, ""]) })
    } satisfies Erased
  })

  const start = (place: number): readonly [place: number, after: ReadonlyArray<string> | null] => [
    place,
    null
  ]

  const exported = (
    subject: Subject
  ): Stream.Stream<ExportedRow, SqlError, Tenant | R | SqlClient.SqlClient> =>
    Stream.paginate(start(0), ([place, after]) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const tenant = yield* Tenant
        const table = holding[place]
        if (table === undefined) return [[], Option.none()] as const
        const existing = (yield* Walk.catalogue(sql, [table])).get(table.table)
        if (existing === undefined) return [[], Option.some(start(place + 1))] as const
        const page = yield* Walk.read(sql, existing, {
          tenantId: tenant.id,
          after,
          condition: conditionOf(sql, existing, table.find, subject, yield* relatedOf(subject)),
          indexed: table.find.indexed === true
        })
        const found = page.rows.map((row) => ({ table: table.table, row }))
        const following: ReturnType<typeof start> = page.last === null ? start(place + 1) : [place, page.last]
        return [found, Option.some(following)] as const
      })
    )

  return {
    tables: Array.from(new Set(tables.map(({ table }) => table))),
    discover: (subject) => options.discover?.(subject) ?? Effect.succeed([]),
    export: exported,
    erase,
    eraseTenant
  }
}
