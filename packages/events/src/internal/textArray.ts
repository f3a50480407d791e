import type * as SqlClient from "effect/sql/SqlClient"

/** A list of texts as an array; null for undefined. */
export const textArray = (sql: SqlClient.SqlClient, texts: ReadonlyArray<string> | undefined) =>
  texts === undefined
    ? sql.literal("NULL::text[]")
    : sql`ARRAY (SELECT json_array_elements_text(${JSON.stringify(texts)}::text::json))`
