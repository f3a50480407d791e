/** Writes entries in the caller's transaction. */
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import type * as Audit from "@hypermarket/core/Audit"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"
import * as Leaf from "./leaf.ts"
import * as Merkle from "./merkle.ts"
import * as Statements from "./statements.ts"

/** 128 bits: a guess of what was erased cannot be checked by trying salts. */
const saltBytes = 16

/** Asking for 32 bytes costs nearly what asking for some thousand does. */
let pool = randomBytes(0)
const poolBytes = 4_096

/** Random bytes that no other caller gets. */
const nextSalt = (): Buffer => {
  if (pool.length < saltBytes) pool = randomBytes(poolBytes)
  const salt = pool.subarray(0, saltBytes)
  pool = pool.subarray(saltBytes)
  return salt
}

/** The tracer without an exporter: its ids lead nowhere. */
const nativeTracer = Tracer.Tracer.defaultValue()

const traceId = Effect.gen(function* () {
  if ((yield* Tracer.Tracer) === nativeTracer) return undefined
  const span = yield* Effect.serviceOption(Tracer.ParentSpan)
  return Option.isSome(span) && span.value.sampled ? span.value.traceId : undefined
})

export const make = (sql: SqlClient.SqlClient) => {
  const statements = Statements.make(sql)
  return Effect.fnUntraced(function* (entry: Audit.Entry & { readonly actor?: Actor.Actor }) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const { type, ...actor } = entry.actor ?? (yield* Actor.Actor)
    const request = yield* AccessLog.CurrentRequest
    const actorText = Leaf.actorText({
      ...actor,
      requestId: actor.requestId ?? request?.requestId,
      traceId: yield* traceId
    })
    const detail = Leaf.detailText(entry.target.id, entry.before, entry.after)
    // From a pool: one id by itself costs more than the hashes.
    const [activityId = yield* Identifier.next] = yield* Identifier.nextMany(1)
    const actorSalt = nextSalt()
    const detailSalt = nextSalt()
    const row = {
      tenantId: tenant.id,
      activityId,
      recordedAt: Leaf.instantText(now),
      action: entry.action,
      actorType: type,
      targetType: entry.target.type,
      actor: actorText,
      actorSalt,
      actorHash: Merkle.saltedHash(actorSalt, actorText),
      detail,
      detailSalt,
      detailHash: Merkle.saltedHash(detailSalt, detail)
    }
    yield* statements.insert({ ...row, leafHash: Leaf.leafHash(row) })
  })
}
