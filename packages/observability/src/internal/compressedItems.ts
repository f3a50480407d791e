/** Rows whose compressed payload names a person: each payload is read in the process, page by page. */
import * as SubjectData from "@hypermarket/core/SubjectData"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { zstdDecompressSync } from "node:zlib"

/** Payloads of up to 1 MiB are expanded one after another, 200 of them within a second or two. */
const pageMax = 200

const decodeCursor = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))
const decodeKey = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.String)))
const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

interface Row {
  readonly key: string
  readonly payload: Uint8Array
  readonly name: string | null
}

/** The columns of the key, with the types that the cursor's texts are cast to. */
const types: Readonly<Record<string, string>> = {
  log_id: "uuid",
  item_id: "uuid",
  received_at: "timestamptz",
  project_id: "integer",
  pending_id: "uuid"
}

export const make = (options: {
  readonly table: "hm_error_log" | "hm_error_item" | "hm_error_pending"
  readonly key: ReadonlyArray<string>
}): SubjectData.SubjectData<SqlClient> => {
  const { key, table } = options

  const read = Effect.fnUntraced(function* (after: ReadonlyArray<string> | undefined) {
    const sql = yield* SqlClient
    const tenant = yield* Tenant
    const bounds = after === undefined ? undefined : JSON.stringify(after)
    const parameters = sql.literal(
      key.map((column, place) => `(after.key ->> ${place})::${types[column] ?? "text"}`).join(", ")
    )
    const rows = yield* sql<Row>`
      SELECT json_build_array(${sql.literal(key.map((column) => `item.${column}::text`).join(", "))})::text AS key,
             item.payload, ${sql.literal(table === "hm_error_item" ? "item.name" : "item.title")} AS name
        FROM (SELECT ${bounds ?? null}::text::json AS key) AS after
       CROSS JOIN ${sql(table)} AS item
       WHERE item.tenant_id = ${tenant.id}
         AND (after.key IS NULL OR (${sql.literal(key.map((column) => `item.${column}`).join(", "))}) > (${parameters}))
       ORDER BY ${sql.literal(key.map((column) => `item.${column}`).join(", "))}
       LIMIT ${pageMax}
    `
    const last = rows.length < pageMax ? undefined : rows.at(-1)?.key
    return { rows, last: last === undefined ? undefined : decodeKey(last) }
  })

  const textOf = ({ name, payload }: Row): string =>
    `${zstdDecompressSync(payload).toString("utf8")} ${name ?? ""}`

  const remove = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    if (keys.length === 0) return
    const sql = yield* SqlClient
    const tenant = yield* Tenant
    const same = key
      .map((column, place) => `item.${column} = (gone.key ->> ${place})::${types[column] ?? "text"}`)
      .join(" AND ")
    yield* sql`
      DELETE FROM ${sql(table)} AS item
       USING (SELECT unnest(${keys}::text[])::json AS key) AS gone
       WHERE item.tenant_id = ${tenant.id} AND ${sql.literal(same)}
    `
  })

  const start: Option.Option<ReadonlyArray<string>> = Option.none()

  return {
    tables: [table],
    discover: () => Effect.succeed([]),
    export: (subject) => {
      const isNamed = SubjectData.tester(subject)
      return Stream.paginate(start, (after) =>
        Effect.gen(function* () {
          const { last, rows } = yield* read(Option.getOrUndefined(after))
          const found = rows.flatMap((row) =>
            isNamed(textOf(row))
              ? [
                  {
                    table,
                    row: {
                      key: decodeKey(row.key),
                      payload: Option.getOrNull(decodeJson(zstdDecompressSync(row.payload).toString("utf8")))
                    }
                  }
                ]
              : []
          )
          return [found, last === undefined ? Option.none() : Option.some(Option.some(last))] as const
        })
      )
    },
    erase: Effect.fnUntraced(function* (subject, cursor) {
      const sql = yield* SqlClient
      const isNamed = SubjectData.tester(subject)
      const work = Effect.gen(function* () {
        const { last, rows } = yield* read(Option.getOrUndefined(decodeCursor(cursor)))
        const named = rows.filter((row) => isNamed(textOf(row)))
        yield* remove(named.map((row) => row.key))
        return {
          rows: named.length,
          kept: [],
          ...(last === undefined ? {} : { cursor: JSON.stringify(last) })
        }
      })
      return yield* transactionOf(sql)(work)
    }),
    eraseTenant: Effect.fnUntraced(function* () {
      return yield* Effect.succeed({ rows: 0, kept: [] })
    })
  }
}
