/**
 * The audit log: what was done to which target, recorded in the transaction that does it. Platform implements it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Tenant from "./Tenant.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** `<noun>.<past participle>`, such as `flag.published`. */
  readonly action: string
  readonly target: { readonly type: string; readonly id: string }
  /** The target before and after; secrets never enter. Absent for what was created or deleted. */
  readonly before?: Schema.Json
  readonly after?: Schema.Json
}

/**
 * Records in the caller's transaction: a rolled-back change leaves no entry, and a failed record fails the change. The
 * actor is that of `Actor`.
 *
 * @category services
 * @since 0.1.0
 */
export interface Audit {
  readonly record: (entry: Entry) => Effect.Effect<void, SqlError, Tenant.Tenant>
}

/**
 * The default: records nothing.
 *
 * @category services
 * @since 0.1.0
 */
export const nothing: Audit = { record: () => Effect.void }

/**
 * Records nothing by default.
 *
 * @category services
 * @since 0.1.0
 */
export const Audit = Context.Reference<Audit>("@hypermarket/core/Audit", { defaultValue: () => nothing })

/**
 * Records a change with the `Audit` of the context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const record = (entry: Entry): Effect.Effect<void, SqlError, Tenant.Tenant> =>
  Effect.flatMap(Audit, (audit) => audit.record(entry))

/**
 * Records in the log of an owner: a tenant, or `Tenant.system` for the installation.
 *
 * @category combinators
 * @since 0.1.0
 */
export const inLogOf =
  (owner: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tenant.Tenant>> =>
    Effect.provideService(self, Tenant.Tenant, { id: Tenant.TenantId.make(owner, { disableChecks: true }) })

/**
 * Annotates a writing endpoint: a call of it records an entry with this action. Undefined without the annotation. Each
 * writing endpoint has this or {@link NotAudited}.
 *
 * @category annotations
 * @since 0.1.0
 */
export const Audited = Context.Reference<string | undefined>("@hypermarket/core/Audit/Audited", {
  defaultValue: () => undefined
})

/**
 * Annotates a writing endpoint that records nothing, with the reason: facts, events and signals are their own record.
 * Undefined without the annotation.
 *
 * @category annotations
 * @since 0.1.0
 */
export const NotAudited = Context.Reference<string | undefined>("@hypermarket/core/Audit/NotAudited", {
  defaultValue: () => undefined
})
