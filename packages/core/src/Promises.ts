/**
 * The services of the domains as async functions, for programs without Effect.
 *
 * ```ts
 * const hm = await connect({ connectionString, domains: [EventsDomain] })
 * await hm.tenant("acme").events.publish([{ id: order.id + ":placed", type: "com.example.order.placed", data: order }])
 * ```
 *
 * A call that is not valid fails with `InvalidArgument` before it reaches the database. Errors have `_tag`, their fields
 * and the stack of the caller; results are plain JSON. One with `outcome: "unknown"` may have been done, after any other
 * error nothing was written.
 *
 * @since 0.1.0
 */
import type { Actor } from "./Actor.ts"
import type * as AsyncService from "./AsyncService.ts"
import type * as CallError from "./CallError.ts"
import type { Driver } from "./Drivers.ts"
import { siteOf } from "./internal/door/calls.ts"
import * as Connection from "./internal/door/connection.ts"
import type * as Options from "./internal/door/options.ts"
import type { Query } from "./QueryClient.ts"
import type { AllTenants, Tenant } from "./Tenant.ts"
import type * as Work from "./Work.ts"

export {
  ConnectFailed,
  ConnectionClosed,
  DeadlineExceeded,
  InvalidArgument,
  NotInTransaction,
  TransactionEnded
} from "./CallError.ts"

/**
 * A domain, or the module that exports it as `domain`: `import * as EventsDomain from "@hypermarket/events/EventsDomain"`.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry = Options.Entry

type Listed<E> = E extends { readonly domain: { readonly services: infer S } }
  ? S
  : E extends { readonly services: infer S }
    ? S
    : never

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void
  ? I
  : never

type ServicesOf<D extends ReadonlyArray<Entry>> = UnionToIntersection<Listed<D[number]>>

/**
 * Options of calls.
 *
 * @category options
 * @since 0.1.0
 */
export interface CallOptions {
  /** Ends the calls when it aborts; they reject with its reason. */
  readonly signal?: AbortSignal
  /** Ends a call after this time, in milliseconds; it rejects with `DeadlineExceeded`. */
  readonly timeout?: number
  /**
   * Who acts, for the audit log.
   *
   * @default { type: "process", id: the application's name }
   */
  readonly actor?: Actor
}

/**
 * The services of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export type TenantServices<D extends ReadonlyArray<Entry>> = AsyncService.Services<ServicesOf<D>, Tenant> & {
  /** The id of the tenant. */
  readonly id: string
  /** Returns the same services with options, which hold for each of their calls. */
  readonly with: (options: CallOptions) => TenantServices<D>
}

/**
 * The services of a tenant inside a transaction of the connection's own pool.
 *
 * @category models
 * @since 0.1.0
 */
export type Transaction<D extends ReadonlyArray<Entry>> = TenantServices<D> & {
  /** Runs a statement of the program's own in the transaction. */
  readonly query: <Row = Record<string, unknown>>(
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
}

/**
 * The result of a function that ran in the caller's transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Joined<A> {
  readonly result: A
  /** Wakes the workers. Call it after COMMIT, and never after a rollback; without it they find the work by polling. */
  readonly flush: () => Promise<void>
}

/**
 * The errors that the connected domains fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type Failure<D extends ReadonlyArray<Entry>> =
  | AsyncService.Errors<ServicesOf<D>>
  | CallError.InvalidArgument
  | CallError.NotInTransaction
  | CallError.TransactionEnded
  | CallError.DeadlineExceeded
  | CallError.ConnectionClosed

/**
 * Starts a worker. Rejects with `InvalidArgument` when a handler is not valid.
 *
 * @category models
 * @since 0.1.0
 */
export type WorkOf<D extends ReadonlyArray<Entry>> = "queues" extends keyof ServicesOf<D>
  ? (
      handlers?: ReadonlyArray<Work.Handler<TenantServices<D>> | Work.BatchHandler<TenantServices<D>>>,
      options?: Work.Options
    ) => Promise<Work.Worker>
  : never

/**
 * A connection to the database with the services of its domains.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hypermarket<D extends ReadonlyArray<Entry>> {
  /**
   * Applies what is pending and returns the migrations that were applied. Idempotent, and safe in several processes at once.
   */
  readonly migrate: () => Promise<ReadonlyArray<string>>
  /** Returns the services of a tenant, without I/O. Throws `InvalidArgument` on an id that is not valid. */
  readonly tenant: (id: string, options?: CallOptions) => TenantServices<D>
  /** The methods that act on all tenants. */
  readonly system: AsyncService.Services<ServicesOf<D>, AllTenants>
  /**
   * Runs a function in a transaction of the connection's own pool. Commits when it resolves, rolls back when it rejects.
   * With `retries` the function runs again after a deadlock or serialisation failure; it may then do nothing outside of the
   * transaction.
   */
  readonly transaction: <A>(
    tenant: string,
    run: (tx: Transaction<D>) => PromiseLike<A>,
    options?: { readonly retries?: number }
  ) => Promise<A>
  /**
   * Runs a function inside a transaction that the caller has begun. `query` runs a statement on the connection of that
   * transaction. Commits nothing.
   */
  readonly within: <A>(
    query: Query,
    tenant: string,
    run: (tx: TenantServices<D>) => PromiseLike<A>
  ) => Promise<Joined<A>>
  /** Returns transactions of the caller's own driver. */
  readonly over: <Native>(driver: Driver<Native>) => {
    /** Begins a transaction in the driver, commits or rolls it back, and wakes the workers. */
    readonly transaction: <A>(
      tenant: string,
      run: (tx: TenantServices<D>, native: Native) => PromiseLike<A>
    ) => Promise<A>
  }
  /**
   * Runs handlers of queues, workflows, and the domains' own work, until it is stopped or the connection is closed. Only
   * with the domain `events` in the list.
   */
  readonly work: WorkOf<D>
  /** True for an error of a connected domain or of the door; `_tag` then tells which. */
  readonly isFailure: (error: unknown) => error is Failure<D>
  /**
   * Refuses new calls, waits up to 7 seconds for those in flight and closes the pool. Idempotent. Installs no signal
   * handler.
   */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Options of a connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions<D extends ReadonlyArray<Entry>> extends Options.Options {
  readonly domains: D
}

/**
 * Opens a connection, reads the schema's version and builds the services of the domains. Rejects with `ConnectFailed` when
 * the database cannot be reached or its schema is of a newer release that does not work with this one; nothing is then left
 * running. Rejects with a `TypeError` when two domains offer a service of one name.
 *
 * @category constructors
 * @since 0.1.0
 */
export function connect<const D extends ReadonlyArray<Entry>>(
  options: ConnectOptions<D>
): Promise<Hypermarket<D>>
export function connect(options: ConnectOptions<ReadonlyArray<Entry>>): Promise<object> {
  return Connection.open(options, siteOf(connect))
}
