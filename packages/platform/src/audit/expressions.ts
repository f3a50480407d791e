/** SQL expressions over the columns of a row of the log. */

/** Text with microseconds: a Date would hide a change below a millisecond. */
export const instant = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** The hash of a part in its leaf: the one that is stored when the text is erased, else that of the text. */
export const partHash = (part: "actor" | "detail"): string =>
  `coalesce(${part}_hash, sha256(${part}_salt || convert_to(${part}, 'UTF8')))`

/**
 * The hash of a leaf, as `Leaf.leafHash` makes it. The server has the texts, and sealing needs nothing else of them. `to_json`
 * escapes a text as RFC 8785 does. Rows of before migration 0012 have their hash.
 */
export const leafHash = `
  coalesce(leaf_hash,
           sha256('\\x00'::bytea
                  || convert_to('{"action":' || to_json(action)::text
                                || ',"activityId":"' || activity_id::text
                                || '","actor":"' || encode(coalesce(${partHash("actor")}, ''), 'hex')
                                || '","actorType":' || to_json(actor_type)::text
                                || ',"detail":"' || encode(coalesce(${partHash("detail")}, ''), 'hex')
                                || '","recordedAt":"' || ${instant("recorded_at")}
                                || '","targetType":' || to_json(target_type)::text
                                || ',"tenantId":' || to_json(tenant_id)::text
                                || ',"v":1}', 'UTF8')))
`
