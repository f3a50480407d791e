/**
 * Where statements that make, attach and drop tables at run time go: over a direct connection, as the owner of the tables.
 *
 * A transaction pooler may stand before the pool, and the application's role need not own a table. Without
 * {@link layer} the statements run on the caller's client, as in a program of one role and no pooler.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Runs an effect with the client for DDL, outside of any transaction of the caller's client. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** False for a role that does not own the tables: their partitions are another process's to maintain. */
  readonly isOwner: boolean
}

/**
 * @category references
 * @since 0.1.0
 */
export const Ddl: Context.Reference<Service> = Context.Reference("@hypermarket/core/Ddl", {
  defaultValue: (): Service => ({ run: (effect) => effect, isOwner: true })
})

/**
 * Runs an effect with the client for DDL.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.flatMap(Effect.service(Ddl), (ddl) => ddl.run(effect))

/**
 * Returns true if the role of the client may alter every table `hm_*` of the schema that it finds.
 *
 * @category running
 * @since 0.1.0
 */
export const ownsTables: Effect.Effect<boolean, SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly owns: boolean }>`
    SELECT coalesce(bool_and(pg_has_role(current_user, c.relowner, 'USAGE')), true) AS owns
      FROM pg_class AS c
     WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
       AND c.relkind IN ('r', 'p')
       AND c.relname LIKE 'hm\\_%'
  `
).pipe(Effect.map(([row]) => row?.owns === true))

/**
 * Opens a connection by the client's layer for each run, and closes it after: such statements are rare. Looks once, when
 * it is built, whether the role owns the tables.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (client: Layer.Layer<SqlClient.SqlClient, SqlError>): Layer.Layer<never, SqlError> =>
  Layer.effect(
    Ddl,
    Effect.map(ownsTables, (isOwner): Service => ({
      isOwner,
      run: (effect) => Effect.provide(effect, Layer.fresh(client))
    }))
  ).pipe(Layer.provide(Layer.fresh(client)))
