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
import * as Statements from "./statements.ts"

/** Of both salts. 128 bits each: a guess of what was erased cannot be checked by trying salts. */
const saltBytes = 2 * Statements.saltBytes

/** Asking for 32 bytes costs nearly what asking for some thousand does. */
let pool = randomBytes(0)
const poolBytes = 4_096

/** Random bytes that no other caller gets. */
const nextSalts = (): Buffer => {
  if (pool.length < saltBytes) pool = randomBytes(poolBytes)
  const salts = pool.subarray(0, saltBytes)
  pool = pool.subarray(saltBytes)
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
  const statements = Statements.make(sql)
  const insert = (
    entry: Audit.Entry & { readonly actor?: Actor.Actor },
    now: Date,
    activityId: string,
    context: Context.Context<Tenant>
  ) => {
    const { type, ...actor } = entry.actor ?? Context.get(context, Actor.Actor)
    return statements.insert({
      tenantId: Context.get(context, Tenant).id,
      activityId,
      recordedAt: Leaf.instantText(now),
      action: entry.action,
      actorType: type,
      targetType: entry.target.type,
      actor: Leaf.actorText({
        ...actor,
        requestId: actor.requestId ?? Context.get(context, AccessLog.CurrentRequest)?.requestId,
        traceId: traceIdOf(context)
      }),
      detail: Leaf.detailText(entry.target.id, entry.before, entry.after),
      salts: nextSalts()
    })
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
