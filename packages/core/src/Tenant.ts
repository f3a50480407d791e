/**
 * The tenant on whose behalf an effect runs. A service method that touches a tenant's rows requires {@link Tenant},
 * so that forgetting it does not compile. Work over all tenants requires {@link AllTenants} and never has a
 * {@link Tenant}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * `^[a-z0-9][a-z0-9_-]{0,62}$`: fits a URL segment, a label and a file name without escaping.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TenantId = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/, {
    message: "Expected 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
  })
).pipe(Schema.brand("@hypermarket/core/TenantId"))

/**
 * @category models
 * @since 0.1.0
 */
export type TenantId = typeof TenantId.Type

/**
 * Owns the rows of the installation itself. `TenantId` does not decode it, no key has it and no row of `hm_tenant` is
 * named so, hence no tenant can reach these rows.
 *
 * @category constants
 * @since 0.1.0
 */
export const system = "_system"

/**
 * @category services
 * @since 0.1.0
 */
export class Tenant extends Context.Service<Tenant, { readonly id: TenantId }>()(
  "@hypermarket/core/Tenant"
) {}

/**
 * The id of the tenant in the context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const tenantId: Effect.Effect<TenantId, never, Tenant> = Effect.map(Tenant, (tenant) => tenant.id)

/**
 * Permission for system work over every tenant: jobs, the CLI, and the tenant-less `system:admin` credential.
 *
 * @category services
 * @since 0.1.0
 */
export class AllTenants extends Context.Service<AllTenants, { readonly actor: string }>()(
  "@hypermarket/core/AllTenants"
) {}

/**
 * Runs an effect for one tenant.
 *
 * @category combinators
 * @since 0.1.0
 */
export const provide = (id: TenantId) => Effect.provideService(Tenant, { id })
