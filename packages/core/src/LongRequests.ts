/**
 * Bounds the requests that may hold a database connection for seconds, so that the others find one free.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/**
 * The places of a process. A request that finds none waits, and its deadline runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface LongRequests {
  /**
   * Holds a place while the effect runs, until it has ended or its interruption is complete: an abandoned statement
   * still has its connection.
   */
  readonly hold: (tenantId: string) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Makes places for a pool: half of its connections together, a quarter per tenant, at least one each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (poolMax: number): LongRequests => {
  const together = Semaphore.makeUnsafe(Math.max(1, Math.floor(poolMax / 2)))
  const perTenantMax = Math.max(1, Math.floor(poolMax / 4))
  const tenants = new Map<string, { readonly semaphore: Semaphore.Semaphore; requests: number }>()
  const enter = (tenantId: string) => {
    const existing = tenants.get(tenantId)
    const places = existing ?? { semaphore: Semaphore.makeUnsafe(perTenantMax), requests: 0 }
    if (existing === undefined) tenants.set(tenantId, places)
    places.requests++
    return places
  }
  return {
    hold: (tenantId) => (self) =>
      Effect.suspend(() => {
        const places = enter(tenantId)
        // The tenant's place first: of those that wait for the pool's half no tenant has more than its quarter.
        return places.semaphore
          .withPermits(1)(together.withPermits(1)(self))
          .pipe(
            Effect.ensuring(
              Effect.sync(() => {
                places.requests--
                if (places.requests === 0) tenants.delete(tenantId)
              })
            )
          )
      })
  }
}

/** As many as the default of `HM_DATABASE_POOL_MAX`. */
const poolMaxDefault = 10

/**
 * The places of this process. An app provides those of its pool.
 *
 * @category services
 * @since 0.1.0
 */
export const Current = Context.Reference<LongRequests>("@hypermarket/core/LongRequests", {
  defaultValue: () => make(poolMaxDefault)
})
