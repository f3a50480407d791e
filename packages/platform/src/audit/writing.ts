/** Writes entries in the caller's transaction. */
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import type * as Audit from "@hypermarket/core/Audit"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"
import * as Leaf from "./leaf.ts"

/** Of the salt of an actor or a detail. 128 bits: a guess of what was erased cannot be checked by trying salts. */
const saltBytes = 16

/** Of both salts of a row. */
const saltsBytes = 2 * saltBytes

/** Asking for 32 bytes costs nearly what asking for some thousand does. */
let pool = randomBytes(0)
const poolBytes = 4_096

/** Random bytes that no other caller gets. */
const nextSalts = (): Buffer => {
  if (pool.length < saltsBytes) pool = randomBytes(poolBytes)
  const salts = pool.subarray(0, saltsBytes)
  pool = pool.subarray(saltsBytes)
  return salts
}

/** The tracer without an exporter: its ids lead nowhere. */
const nativeTracer = Tracer.Tracer.defaultValue()

const traceIdOf = (context: Context.Context<never>): string | undefined => {
  if (Context.get(context, Tracer.Tracer) === nativeTracer) return undefined
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span?.sampled === true ? span.traceId : undefined
}

export const make = (sql: SqlClient.SqlClient) => {
  const actorSalt = sql.literal(`substring(salts FOR ${saltBytes})`)
  const detailSalt = sql.literal(`substring(salts FROM ${saltBytes + 1})`)

  const insert = (
    entry: Audit.Entry & { readonly actor?: Actor.Actor },
    now: Date,
    activityId: string,
    context: Context.Context<Tenant>
  ) => {
    const { type, ...actor } = entry.actor ?? Context.get(context, Actor.Actor)
    const actorText = Leaf.actorText({
      ...actor,
      requestId: actor.requestId ?? Context.get(context, AccessLog.CurrentRequest)?.requestId,
      traceId: traceIdOf(context)
    })
    const detailText = Leaf.detailText(entry.target.id, entry.before, entry.after)
    const row = {
      tenantId: Context.get(context, Tenant).id,
      activityId,
      recordedAt: Leaf.instantText(now),
      action: entry.action,
      actorType: type,
      targetType: entry.target.type
    }
    const [before, between, behind] = Leaf.leafParts(row)
    // The server makes the hashes: every audited change waits for this, and its process has less time than the server.
    return sql`
      INSERT INTO hm_platform_activity_log (tenant_id, recorded_at, activity_id, action, actor_type, target_type, actor,
                                            actor_salt, actor_hash, detail, detail_salt, detail_hash, leaf_hash)
      SELECT ${row.tenantId}, ${row.recordedAt}::text::timestamptz, ${row.activityId}::uuid, ${row.action}, ${row.actorType},
             ${row.targetType}, actor, actor_salt, actor_hash, detail, detail_salt, detail_hash,
             sha256('\\x00'::bytea || convert_to(${before} || encode(actor_hash, 'hex') || ${between}
                                                  || encode(detail_hash, 'hex') || ${behind}, 'UTF8'))
        FROM (
          SELECT actor, actor_salt, sha256(actor_salt || convert_to(actor, 'UTF8')) AS actor_hash,
                 detail, detail_salt, sha256(detail_salt || convert_to(detail, 'UTF8')) AS detail_hash
            FROM (
              SELECT ${actorText}::text AS actor, ${actorSalt} AS actor_salt, ${detailText}::text AS detail,
                     ${detailSalt} AS detail_salt
                FROM (SELECT ${nextSalts()}::bytea AS salts) AS given
            ) AS texts
        ) AS hashed
    `
  }
  // One look at the context for all of it: this runs inside of every change that is audited.
  return (entry: Audit.Entry & { readonly actor?: Actor.Actor }) =>
    Effect.flatMap(Now.now, (now) =>
      // From a pool: one id by itself costs more than the texts.
      Effect.flatMap(Identifier.nextMany(1), ([activityId = ""]) =>
        Effect.contextWith((context: Context.Context<Tenant>) => insert(entry, now, activityId, context))
      )
    )
}
