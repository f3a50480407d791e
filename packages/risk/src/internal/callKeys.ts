/** Remembers calls by their key, so that a repeated one is recognised. */
import * as Effect from "effect/Effect"
import { SignalKeyReused } from "../FraudSignal.ts"
import type * as Decisions from "./decisionStatements.ts"

type Call = Parameters<ReturnType<typeof Decisions.make>["claimKey"]>[1]

export const make = (decisions: ReturnType<typeof Decisions.make>) => {
  /** Returns the earlier call with the key, which is refused when its body was another one. */
  const find = Effect.fnUntraced(function* (tenantId: string, call: Call) {
    const [existing] = yield* decisions.findKey(tenantId, call.source, call.key)
    if (existing !== undefined && !Buffer.from(existing.bodyHash).equals(call.bodyHash)) {
      return yield* new SignalKeyReused({ source: call.source, key: call.key })
    }
    return existing
  })

  /** Claims the key of a call. An earlier call with the key is found, or refused when its body was another one. */
  const claim = Effect.fnUntraced(function* (tenantId: string, call: Call, now: Date) {
    const claimed = yield* decisions.claimKey(tenantId, call, now)
    if (claimed.length > 0) return { isNew: true }
    yield* find(tenantId, call)
    return { isNew: false }
  })

  return { claim, find }
}
