/**
 * A handle that decides in process: synchronous, without a query. It follows changes within 500 ms.
 *
 * @since 0.1.0
 */
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { RegionPolicies } from "./RegionPolicies.ts"
import { PolicyQuestion, type RegionDecision } from "./RegionPolicy.ts"

/**
 * Options of a handle: none yet.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = Schema.Struct({})

/**
 * @category models
 * @since 0.1.0
 */
export interface PolicyHandle {
  /**
   * Decides from the process's copy, which is at most 500 ms old, and names its revision. Throws a `TypeError` that names the
   * field when the question is not valid: `UK` for `GB`, an action that is none.
   */
  readonly decide: (question: typeof PolicyQuestion.Encoded) => RegionDecision
}

const decodeQuestion = Schema.decodeUnknownResult(PolicyQuestion)

/**
 * Opens a handle. The policies are read before this returns; the copy is kept in memory until the scope ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fn("PolicyHandle.open")(function* (
  _options: typeof Options.Type
): Effect.fn.Return<PolicyHandle, SqlError, RegionPolicies | Tenant | Scope.Scope> {
  const { follow } = yield* RegionPolicies
  const clock = yield* Clock.Clock
  const decide = yield* follow
  return {
    decide: (question) => {
      const decoded = decodeQuestion(question)
      if (Result.isFailure(decoded)) throw new TypeError(`policy.decide: ${decoded.failure.message}`)
      return decide(decoded.success, clock.currentTimeMillisUnsafe())
    }
  }
})
