/** Remembers calls by their key, so that a repeated one is recognised. */
import * as Effect from "effect/Effect"
import { SignalKeyReused } from "../FraudSignal.ts"
import type * as Decisions from "./decisionStatements.ts"

export const make = (decisions: ReturnType<typeof Decisions.make>) => {
  /** Claims the key of a call. An earlier call with the key is returned, or refused when its body was another one. */
  const claim = Effect.fnUntraced(function* (
    tenantId: string,
    call: Parameters<typeof decisions.claimKey>[1],
    now: Date
  ) {
    const claimed = yield* decisions.claimKey(tenantId, call, now)
    if (claimed.length > 0) return { isNew: true, existing: undefined }
    const [existing] = yield* decisions.findKey(tenantId, call.source, call.key)
    if (existing !== undefined && !Buffer.from(existing.bodyHash).equals(call.bodyHash)) {
      return yield* new SignalKeyReused({ source: call.source, key: call.key })
    }
    return { isNew: false, existing }
  })

  return { claim }
}
