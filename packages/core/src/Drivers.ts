/**
 * Drivers whose transactions the Promise door joins. Their types are structural: no driver is imported.
 *
 * A driver is one function, so that a program can write its own for a library that is missing here.
 *
 * @since 0.1.0
 */
import { hasProperty } from "effect/Predicate"
import type { Query, Value } from "./QueryClient.ts"

/**
 * Begins a transaction, runs a function in it, commits when the function resolves and rolls back when it rejects.
 *
 * @category models
 * @since 0.1.0
 */
export interface Driver<out Native> {
  readonly transaction: <A>(run: (native: Native, query: Query) => Promise<A>) => Promise<A>
}

interface PgClient {
  readonly query: (text: string, values?: Array<Value>) => Promise<{ readonly rows: ReadonlyArray<unknown> }>
  readonly release: (error?: Error | boolean) => void
}

/**
 * Joins transactions of a `Pool` of `pg`. A connection that cannot be rolled back is not used again.
 *
 * @category drivers
 * @since 0.1.0
 */
export const pg = <Client extends PgClient>(pool: {
  readonly connect: () => Promise<Client>
}): Driver<Client> => ({
  transaction: async (run) => {
    const client = await pool.connect()
    let broken = false
    try {
      await client.query("BEGIN")
      const result = await run(client, async (text, values) => (await client.query(text, values)).rows)
      await client.query("COMMIT")
      return result
    } catch (error) {
      await client.query("ROLLBACK").catch(() => {
        broken = true
      })
      throw error
    } finally {
      client.release(broken)
    }
  }
})

interface PostgresJsTransaction {
  readonly unsafe: (text: string, values?: Array<Value>) => PromiseLike<ReadonlyArray<unknown>>
}

/**
 * Joins transactions of postgres.js.
 *
 * @category drivers
 * @since 0.1.0
 */
export const postgresJs = <Native extends PostgresJsTransaction>(sql: {
  readonly begin: (options: string, run: (native: Native) => Promise<unknown>) => Promise<unknown>
}): Driver<Native> => ({
  transaction: (run) =>
    resultOf((inside) =>
      sql.begin("", (native) => inside(run(native, (text, values) => native.unsafe(text, values))))
    )
})

/** Runs a transaction whose type loses that of its result. */
const resultOf = async <A>(
  transaction: (inside: (result: Promise<A>) => Promise<unknown>) => Promise<unknown>
): Promise<A> => {
  let result: { readonly value: A } | undefined
  await transaction(async (running) => {
    result = { value: await running }
  })
  if (result === undefined) throw new Error("The driver did not run the function of the transaction")
  return result.value
}

const placeholder = /\$(\d+)/

/** The rows of a result: `pg` has them in `rows`, postgres.js is the list of them. */
const rowsOf = (result: unknown): ReadonlyArray<unknown> => {
  if (Array.isArray(result)) return result
  return hasProperty(result, "rows") && Array.isArray(result.rows) ? result.rows : []
}

/**
 * Joins transactions of Drizzle over `pg` or postgres.js. `sql` is Drizzle's own tag.
 *
 * @category drivers
 * @since 0.1.0
 */
export const drizzle = <
  Native extends { readonly execute: (statement: Statement) => PromiseLike<unknown> },
  Statement,
  Raw,
  Parameter
>(
  db: { readonly transaction: (run: (native: Native) => Promise<unknown>) => Promise<unknown> },
  sql: {
    readonly raw: (text: string) => Raw
    readonly param: (value: Value) => Parameter
    readonly join: (chunks: Array<Raw | Parameter>) => Statement
  }
): Driver<Native> => {
  const statementOf = (text: string, values: ReadonlyArray<Value>): Statement =>
    // Every second part is the number of a placeholder.
    sql.join(
      text
        .split(placeholder)
        .map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql.param(values[Number(part) - 1] ?? null)))
    )
  return {
    transaction: (run) =>
      resultOf((inside) =>
        db.transaction((native) =>
          inside(run(native, async (text, values) => rowsOf(await native.execute(statementOf(text, values)))))
        )
      )
  }
}

/**
 * Joins transactions of Kysely. `compiledQuery` is Kysely's `CompiledQuery`.
 *
 * @category drivers
 * @since 0.1.0
 */
export const kysely = <
  Native extends {
    readonly executeQuery: (query: Compiled) => Promise<{ readonly rows: ReadonlyArray<unknown> }>
  },
  Compiled
>(
  db: {
    readonly transaction: () => {
      readonly execute: (run: (native: Native) => Promise<unknown>) => Promise<unknown>
    }
  },
  compiledQuery: { readonly raw: (text: string, values: Array<unknown>) => Compiled }
): Driver<Native> => ({
  transaction: (run) =>
    resultOf((inside) =>
      db.transaction().execute((native) =>
        inside(
          run(native, async (text, values) => {
            const { rows } = await native.executeQuery(compiledQuery.raw(text, values))
            return rows
          })
        )
      )
    )
})

/**
 * Joins interactive transactions of a `PrismaClient`.
 *
 * @category drivers
 * @since 0.1.0
 */
export const prisma = <
  Native extends { readonly $queryRawUnsafe: (text: string, ...values: Array<Value>) => PromiseLike<unknown> }
>(client: {
  readonly $transaction: (run: (native: Native) => Promise<unknown>) => Promise<unknown>
}): Driver<Native> => ({
  transaction: (run) =>
    resultOf((inside) =>
      client.$transaction((native) =>
        inside(run(native, async (text, values) => rowsOf(await native.$queryRawUnsafe(text, ...values))))
      )
    )
})
