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
import * as Leaf from "./leaf.ts"

/** The tracer without an exporter: its ids lead nowhere. */
const nativeTracer = Tracer.Tracer.defaultValue()

const traceIdOf = (context: Context.Context<never>): string | undefined => {
  if (Context.get(context, Tracer.Tracer) === nativeTracer) return undefined
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span?.sampled === true ? span.traceId : undefined
}

export const make = (sql: SqlClient.SqlClient) => {
  const insert = (
    entry: Audit.Entry & { readonly actor?: Actor.Actor },
    now: Date,
    activityId: string,
    context: Context.Context<Tenant>
  ) => {
    const actor = entry.actor ?? Context.get(context, Actor.Actor)
    const requestId = actor.requestId ?? Context.get(context, AccessLog.CurrentRequest)?.requestId
    const actorText = Leaf.actorText(actor, requestId, traceIdOf(context))
    const detailText = Leaf.detailText(entry.target.id, entry.before, entry.after)
    // Without hashes: every audited change waits for this, and a hash without a key protects nothing before it is sealed. A salt
    // has 122 random bits of the server: a guess of what was erased cannot be checked by trying salts.
    return sql`
      INSERT INTO hm_platform_activity_log (tenant_id, recorded_at, activity_id, action, actor_type, target_type, actor,
                                            actor_salt, detail, detail_salt)
      VALUES (${Context.get(context, Tenant).id}, ${now}, ${activityId}::uuid, ${entry.action}, ${actor.type},
              ${entry.target.type}, ${actorText}, uuid_send(gen_random_uuid()), ${detailText},
              uuid_send(gen_random_uuid()))
    `
  }
  // One look at the context for all of it: this runs inside of every change that is audited.
  return (entry: Audit.Entry & { readonly actor?: Actor.Actor }) =>
    Effect.contextWith((context: Context.Context<Tenant>) =>
      Effect.flatMap(Context.get(context, Now.Now), (now) =>
        insert(entry, now, Identifier.nextAtUnsafe(now.getTime()), context)
      )
    )
}
