/**
 * A driver under test, and how a test gets inside its transaction with every service.
 */
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as Database from "@hypermarket/core/Database"
import { EventQueues } from "@hypermarket/events/EventQueues"
import * as Events from "@hypermarket/events/Events"
import * as EventSubscriptions from "@hypermarket/events/EventSubscriptions"
import * as JobSchedules from "@hypermarket/events/JobSchedules"
import * as Tenant from "@hypermarket/core/Tenant"
import * as ApiKeys from "@hypermarket/platform/ApiKeys"
import * as TenantAccounts from "@hypermarket/platform/TenantAccounts"
import { Context, Effect, Layer, Result, type Scope } from "effect"

/** A driver, as an adopter would use it. */
export interface Driver {
  /** Runs the body in a transaction, which commits when it resolves and rolls back when it rejects. */
  readonly transaction: (body: (query: Database.Query) => Promise<void>) => Promise<void>
  /**
   * True when a transaction survives a failed statement that a savepoint has undone. postgres.js counts every failed
   * statement as the transaction's own failure.
   */
  readonly forgivesBySavepoint: boolean
  /** True when its errors tell the name of a violated constraint. */
  readonly namesConstraints: boolean
  /** A statement by itself. */
  readonly outside: Database.Query
}

export type Connect = (url: string) => Effect.Effect<Driver, unknown, Scope.Scope>

export class Driven extends Context.Service<Driven, Driver>()("@hypermarket/adoption/Driven") {}

const services = Layer.mergeAll(
  ApiKeys.ApiKeys.layer,
  OrderFacts.layer,
  SalesQueries.layer,
  TenantAccounts.TenantAccounts.layer,
  Events.Events.layer,
  EventQueues.layer,
  EventSubscriptions.EventSubscriptions.layer,
  JobSchedules.JobSchedules.layer
)

export const tenantId = Tenant.TenantId.make("acme")
export const asTenant = Tenant.provide(tenantId)
export const asOperator = Effect.provideService(Tenant.AllTenants, { actor: "test" })

type InTransaction = Layer.Success<typeof services> | Layer.Success<Database.QueryTransaction["layer"]>

/** Runs an effect with every service inside a transaction of the driver, which rolls back when the effect fails. */
export const inTransaction = <A, E>(
  effect: Effect.Effect<A, E, InTransaction>
): Effect.Effect<
  {
    readonly result: Result.Result<A, E>
    readonly flush: Database.QueryTransaction["flush"]
    /** The statements that were sent through the function. */
    readonly texts: ReadonlyArray<string>
    /** The most of them that were under way at once. */
    readonly atOnce: number
  },
  never,
  Driven
> =>
  Effect.flatMap(Driven, (driver) =>
    Effect.promise(async () => {
      let result: Result.Result<A, E> | undefined
      let flush: Database.QueryTransaction["flush"] | undefined
      const texts: Array<string> = []
      let underWay = 0
      let atOnce = 0
      const rollBack = new Error("roll back")
      await driver
        .transaction(async (query) => {
          const transaction = Database.transactionFromQuery((text, values) => {
            texts.push(text.trim())
            underWay++
            atOnce = Math.max(atOnce, underWay)
            return Promise.resolve(query(text, values)).finally(() => underWay--)
          })
          flush = transaction.flush
          result = await Effect.runPromise(
            Effect.result(effect).pipe(Effect.provide(services.pipe(Layer.provideMerge(transaction.layer))))
          )
          if (Result.isFailure(result)) throw rollBack
        })
        .catch((error: unknown) => {
          if (error !== rollBack) throw error
        })
      if (result === undefined || flush === undefined)
        throw new Error("the driver did not run the transaction")
      return { result, flush, texts, atOnce }
    })
  )

export const committed = <A, E>(effect: Effect.Effect<A, E, InTransaction>) =>
  Effect.flatMap(inTransaction(effect), ({ result }) => Effect.orDie(Effect.fromResult(result)))

export const failed = <A, E>(effect: Effect.Effect<A, E, InTransaction>) =>
  Effect.flatMap(inTransaction(effect), ({ result }) =>
    Result.isFailure(result)
      ? Effect.succeed(result.failure)
      : Effect.die(new Error(`expected a failure, got ${String(result.success)}`))
  )
