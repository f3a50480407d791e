/**
 * Tokens in links that complete a signal of an execution: signed, for one signal and tenant, until they expire.
 *
 * The token of Effect's `DurableDeferred` is an address and no secret: who knows it needs a key of the tenant as well. A
 * token of this module needs no key, for example in a mail that asks for an approval.
 *
 * @since 0.1.0
 */
import * as SignedToken from "@hypermarket/core/SignedToken"
import type { SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { provide, type Tenant } from "@hypermarket/core/Tenant"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"

/** The purpose of these tokens: forgetting its secret voids all of a tenant. */
const purpose = "workflow"

/**
 * Returns a token for a signal of the execution that runs. Make it in an activity, so that each run has the same one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("WorkflowToken.make")(function* (
  deferred: DurableDeferred.Any,
  options: { readonly expiresIn: Duration.Input }
): Effect.fn.Return<
  string,
  SecretsNotConfigured | SqlError,
  SignedToken.SignedToken | Tenant | WorkflowEngine.WorkflowInstance
> {
  const instance = yield* WorkflowEngine.WorkflowInstance
  const tokens = yield* SignedToken.SignedToken
  return yield* tokens.make({
    purpose,
    claims: {
      workflow: instance.workflow._tag,
      execution: instance.executionId,
      signal: deferred.name
    },
    expiresIn: options.expiresIn
  })
})

/**
 * Sends the value of the signal that a token is for. The first value counts. Fails for a token of another signal, one that
 * was altered, and one that has expired.
 *
 * @category signals
 * @since 0.1.0
 */
export const succeed = Effect.fn("WorkflowToken.succeed")(function* <
  Success extends Schema.Constraint,
  Error extends Schema.Constraint
>(
  deferred: DurableDeferred.DurableDeferred<Success, Error>,
  options: { readonly token: string; readonly value: Success["Type"] }
): Effect.fn.Return<
  void,
  SignedToken.TokenInvalid | SecretsNotConfigured | SqlError,
  | SignedToken.SignedToken
  | WorkflowEngine.WorkflowEngine
  | Success["EncodingServices"]
  | Error["EncodingServices"]
> {
  const tokens = yield* SignedToken.SignedToken
  const engine = yield* WorkflowEngine.WorkflowEngine
  const { claims, tenant } = yield* tokens.read(purpose, options.token)
  const { execution, signal, workflow } = claims
  if (typeof execution !== "string" || typeof workflow !== "string" || signal !== deferred.name) {
    return yield* new SignedToken.TokenInvalid({ reason: "invalid" })
  }
  yield* engine
    .deferredDone(deferred, {
      workflowName: workflow,
      executionId: execution,
      deferredName: deferred.name,
      exit: Exit.succeed(options.value)
    })
    .pipe(provide(tenant))
})
