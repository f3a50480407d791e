/**
 * Records in the audit log that a person has read data of customers. Apart from {@link module:Withheld}, which a browser
 * imports.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Audit from "./Audit.ts"
import { Caller } from "./Credentials.ts"
import * as Now from "./Now.ts"
import { Tenant } from "./Tenant.ts"
import { transactionOf } from "./Transaction.ts"

/**
 * Readings of one thing that follow each other within this time are one view: pages that show changing things ask again
 * every ten seconds while they are looked at. After a longer pause the next reading is another view.
 *
 * @category limits
 * @since 0.1.0
 */
export const viewPauseMillisMax = 60_000

/** Views that a process remembers. The one that was read the longest ago is forgotten first: its next reading is recorded again. */
const viewsMax = 10_000

interface View {
  readonly readAtMillis: number
  readonly recorded: Deferred.Deferred<Exit.Exit<void, SqlError>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Readings {
  /**
   * Records a reading through a session of the console, once per view. A reading whose record fails, fails. A key that reads
   * by itself records nothing: its requests are in the access log.
   */
  readonly record: (
    entry: Pick<Audit.Entry, "action" | "target">
  ) => Effect.Effect<void, SqlError, Caller | Tenant>
}

/**
 * Returns the readings of a group of endpoints, which remember the views of this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (sql: SqlClient.SqlClient): Readings => {
  // In the order of their last readings.
  const views = new Map<string, View>()

  const record: Readings["record"] = Effect.fnUntraced(function* (entry) {
    const { keyId, session } = yield* Caller
    if (session === undefined) return
    const { id } = yield* Tenant
    const name = JSON.stringify([id, keyId, session, entry.action, entry.target.type, entry.target.id])
    const readAtMillis = (yield* Now.now).getTime()
    const existing = views.get(name)
    views.delete(name)
    if (existing !== undefined && readAtMillis - existing.readAtMillis <= viewPauseMillisMax) {
      views.set(name, { ...existing, readAtMillis })
      const recorded = yield* Deferred.await(existing.recorded)
      // Else the reading that began the view was not recorded, and this one is the first.
      if (Exit.isSuccess(recorded)) return
      views.delete(name)
    }
    for (const oldest of views.keys()) {
      if (views.size < viewsMax) break
      views.delete(oldest)
    }
    const recorded = Deferred.makeUnsafe<Exit.Exit<void, SqlError>>()
    views.set(name, { readAtMillis, recorded })
    yield* transactionOf(sql)(Audit.record(entry)).pipe(
      Effect.onExit((exit) => {
        if (Exit.isFailure(exit) && views.get(name)?.recorded === recorded) views.delete(name)
        return Deferred.succeed(recorded, exit)
      })
    )
  })

  return { record }
}
