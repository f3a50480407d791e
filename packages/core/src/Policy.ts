/**
 * Decisions by region and policy: whether something may be done here, and under which requirements. Platform implements
 * it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Attributes } from "./Condition.ts"
import type { Tenant, TenantId } from "./Tenant.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Question {
  /** `<noun>.<verb>`, such as `product.sell`. */
  readonly action: string
  /** A code that `Region` parses; the world without it. */
  readonly region?: string
  readonly attributes: Attributes
  /** The subject of the decision, such as the id of a product: `decideNow` then records the decision in the caller's transaction. */
  readonly reference?: string
  /** The time at which the policies are in force.
   *  @default the current time */
  readonly at?: Date
  /** The time at which the policies were recorded.
   *  @default the current time */
  readonly knownAt?: Date
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Decision {
  readonly effect: "allow" | "deny"
  /** The value of the most specific policy that has one. */
  readonly value?: Schema.Json
  /** The requirements of an allowed action, such as `age_check`. */
  readonly requires: ReadonlyArray<string>
  /** The policies that led to it, by id. */
  readonly because: ReadonlyArray<string>
  /** True when a condition was unknown: a deny holds then, and an allow does not. */
  readonly undetermined: boolean
  /** The revision of the policies that it was made with; 0 when there are none. */
  readonly revision: bigint
}

/**
 * @category services
 * @since 0.1.0
 */
export interface Policy {
  /** Decides from the process's copy, at most 500 ms old. Names its revision. */
  readonly decide: (question: Question & { readonly tenantId: TenantId }) => Decision
  /**
   * Decides in the caller's transaction, with what is published in it. Guards of money and law use this one, in the
   * transaction of their statement.
   */
  readonly decideNow: (question: Question) => Effect.Effect<Decision, SqlError, Tenant>
}

/** The decision while no domain decides. */
const allowed: Decision = {
  effect: "allow",
  requires: [],
  because: [],
  undetermined: false,
  revision: 0n
}

/** Once per process. */
const warnOnce = Effect.runSync(
  Effect.cached(Effect.logWarning("Every policy decision is allow: no policy layer is provided"))
)

const allowAll: Policy = {
  decide: () => allowed,
  decideNow: () => Effect.as(warnOnce, allowed)
}

/**
 * Allows everything by default.
 *
 * @category services
 * @since 0.1.0
 */
export const Policy = Context.Reference<Policy>("@hypermarket/core/Policy", { defaultValue: () => allowAll })

/**
 * Decides from the process's copy with the `Policy` of the context. By default it allows, and writes so to the log once
 * per process.
 *
 * @category accessors
 * @since 0.1.0
 */
export const decide = (question: Question & { readonly tenantId: TenantId }): Effect.Effect<Decision> =>
  Effect.flatMap(Policy, (policy) =>
    policy === allowAll ? Effect.as(warnOnce, allowed) : Effect.sync(() => policy.decide(question))
  )

/**
 * Decides in the caller's transaction with the `Policy` of the context. By default it allows, and writes so to the log
 * once per process.
 *
 * @category accessors
 * @since 0.1.0
 */
export const decideNow = (question: Question): Effect.Effect<Decision, SqlError, Tenant> =>
  Effect.flatMap(Policy, (policy) => policy.decideNow(question))
