/** The connection of a program: tenants, transactions and the end. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Actor from "../../Actor.ts"
import * as BoundedInt from "../../BoundedInt.ts"
import { ConnectFailed, invalidArgument, NotInTransaction } from "../../CallError.ts"
import type * as Domain from "../../Domain.ts"
import type { Driver } from "../../Drivers.ts"
import type { Query } from "../../QueryClient.ts"
import type * as Service from "../../Service.ts"
import { AllTenants, Tenant, TenantId } from "../../Tenant.ts"
import * as Transaction from "../../Transaction.ts"
import { makeConnection } from "../queryConnection.ts"
import { decoderOf } from "./arguments.ts"
import { atSite, type Calls, type Place, run, type Site, siteOf, Thrown } from "./calls.ts"
import * as Handles from "./handles.ts"
import * as LocalHandles from "./localHandles.ts"
import * as Options from "./options.ts"
import * as Session from "./session.ts"
import { inside } from "./transactions.ts"
import * as Workers from "./workers.ts"

/** As long as other processes wait when they stop. */
const closePatience = "7 seconds"

const retryBackoff = Schedule.exponential("5 millis").pipe(Schedule.jittered)

/** The schema that is in the search path of every session. */
const schemaDefault = "public"

const decodeTenant = decoderOf(TenantId)
const decodeRetries = decoderOf(BoundedInt.make({ minimum: 0, maximum: 100 }))

/** Returns the value, or throws the error with the stack of the caller. */
const orThrow = <A>(result: Result.Result<A, Error>, site: Site): A => {
  if (Result.isSuccess(result)) return result.success
  throw atSite(result.failure, site)
}

const servicesOf = (domains: ReadonlyArray<{ readonly services: Readonly<Record<string, Service.Any>> }>) => {
  const services = new Map<string, Service.Any>()
  for (const [name, service] of domains.flatMap((domain) => Object.entries(domain.services))) {
    if (services.has(name)) throw new TypeError(`Two domains offer services of the name ${name}`)
    services.set(name, service)
  }
  return services
}

const flushFailed = { log: "Warn", message: "What was to follow the commit failed" } as const

const isOutsideTransaction = (error: unknown): boolean => {
  let current = error
  while (typeof current === "object" && current !== null) {
    if (hasProperty(current, "code") && current.code === "25P01") return true
    current = hasProperty(current, "cause") ? current.cause : undefined
  }
  return false
}

/** Opens a connection. `site` is the caller's of `connect`. */
export const open = async (
  options: Options.Options & { readonly domains: ReadonlyArray<Options.Entry> },
  site: Site
): Promise<object> => {
  const checked = orThrow(Options.check(options), site)
  const domains = options.domains.map(Options.domainOf)
  const services = servicesOf(domains)
  const scope = Scope.makeUnsafe()
  const built = await Effect.runPromiseExit(
    Session.open(checked, domains, options.logger).pipe(
      Effect.provideService(Scope.Scope, scope),
      // The default one is a copy of the environment, made when it was first needed.
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv())
    )
  )
  if (Exit.isSuccess(built)) return make(checked, domains, services, built.value, scope)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const cause = Cause.squash(built.cause)
  const { host, name: database } = checked
  throw atSite(new ConnectFailed({ host, database, reason: Session.reasonOf(cause), cause }), site)
}

const make = (
  checked: Options.Checked,
  domains: ReadonlyArray<Domain.Any>,
  services: ReadonlyMap<string, Service.Any>,
  session: Session.Session,
  scope: Scope.Closeable
): object => {
  const { join, sql } = session
  const calls: Calls = { isClosed: false, fibers: new Set() }
  const opened = LocalHandles.make()
  const handleOf = Handles.make(services, opened)
  const schema = checked.database.schema === schemaDefault ? undefined : checked.database.schema
  const base: Place = {
    calls,
    context: session.context,
    signal: undefined,
    timeout: undefined,
    transaction: undefined
  }

  const withOptions = (place: Place, method: string, options: Options.CallOptions, site: Site): Place => {
    const { actor, signal, timeout } = orThrow(Options.checkCall(method, options), site)
    return {
      ...place,
      signal: signal ?? place.signal,
      timeout: timeout ?? place.timeout,
      context: actor === undefined ? place.context : Context.add(place.context, Actor.Actor, actor)
    }
  }

  /** The stack is captured for an error alone: it takes longer than the rest of a tenant's handle. */
  const inTenant = (tenant: unknown, method: string, index: number, site: () => Site): Place => {
    const decoded = decodeTenant(tenant, [index])
    if (Result.isFailure(decoded)) throw atSite(invalidArgument(method, ...decoded.failure), site())
    const id = decoded.success
    return { ...base, context: Context.add(base.context, Tenant, { id }) }
  }

  const tenantHandle = (place: Place, extra: object = {}): object => {
    const { id } = Context.getUnsafe(place.context, Tenant)
    const withCallOptions = (options: Options.CallOptions = {}) =>
      tenantHandle(withOptions(place, "with", options, siteOf(withCallOptions)), extra)
    return Object.assign(handleOf(place), extra, { id, with: withCallOptions })
  }

  const requireFunction = (value: unknown, method: string, index: number, site: Site) => {
    if (typeof value === "function") return
    throw atSite(invalidArgument(method, { path: [index], message: "Expected a function" }), site)
  }

  const tenant = (id: string, options?: Options.CallOptions): object => {
    const place = inTenant(id, "tenant", 0, () => siteOf(tenant))
    return tenantHandle(options === undefined ? place : withOptions(place, "tenant", options, siteOf(tenant)))
  }

  const queryOf = (place: Place) => {
    const query = (text: string, values: ReadonlyArray<unknown> = []) =>
      run(place, "query", siteOf(query), sql.unsafe(text, values))
    return query
  }

  const transactionHandle = (place: Place): object => tenantHandle(place, { query: queryOf(place) })

  const transaction = async (
    id: string,
    body: (tx: object) => PromiseLike<unknown>,
    { retries = 0 }: { readonly retries?: number } = {}
  ): Promise<unknown> => {
    const site = siteOf(transaction)
    const place = inTenant(id, "transaction", 0, () => site)
    requireFunction(body, "transaction", 1, site)
    const times = orThrow(
      Result.mapError(decodeRetries(retries, [2, "retries"]), (errors) =>
        invalidArgument("transaction", ...errors)
      ),
      site
    )
    const isConflict = (error: unknown) =>
      Transaction.isConflict(error instanceof Thrown ? error.error : error)
    const once = Transaction.begin(sql)(inside(place, site, (within) => body(transactionHandle(within))))
    return run(
      place,
      "transaction",
      site,
      Effect.retry(once, { while: isConflict, times, schedule: retryBackoff })
    )
  }

  const joined = async (
    method: string,
    query: Query,
    place: Place,
    site: Site,
    body: (tx: object) => PromiseLike<unknown>
  ) => {
    let isEnded = false
    const pending: Array<Effect.Effect<void>> = []
    const connection = makeConnection(query, () => isEnded, schema)
    try {
      const result = await run(
        place,
        method,
        site,
        join({ connection, pending })(inside(place, site, (within) => body(tenantHandle(within))))
      )
      const flush = () =>
        Effect.runPromiseWith(base.context)(
          Effect.forEach(pending.splice(0), (effect) => Effect.ignoreCause(effect, flushFailed), {
            discard: true
          })
        )
      return { result, flush }
    } finally {
      isEnded = true
    }
  }

  const within = async (query: Query, id: string, body: (tx: object) => PromiseLike<unknown>) => {
    const site = siteOf(within)
    requireFunction(query, "within", 0, site)
    const place = inTenant(id, "within", 1, () => site)
    requireFunction(body, "within", 2, site)
    try {
      // Postgres refuses a savepoint outside of a transaction block.
      await query("SAVEPOINT hm_door", [])
      await query("RELEASE SAVEPOINT hm_door", [])
    } catch (cause) {
      throw isOutsideTransaction(cause) ? atSite(new NotInTransaction({ cause }), site) : cause
    }
    return joined("within", query, place, site, body)
  }

  const over = (driver: Driver<unknown>) => {
    const site = siteOf(over)
    if (!hasProperty(driver, "transaction") || typeof driver.transaction !== "function") {
      const message = "Expected a driver, such as pg(pool)"
      throw atSite(invalidArgument("over", { path: [0], message }), site)
    }
    const inDriver = async (
      id: string,
      body: (tx: object, native: unknown) => PromiseLike<unknown>
    ): Promise<unknown> => {
      const site = siteOf(inDriver)
      const place = inTenant(id, "transaction", 0, () => site)
      requireFunction(body, "transaction", 1, site)
      const { flush, result } = await driver.transaction((native, query) =>
        joined("transaction", query, place, site, (tx) => body(tx, native))
      )
      await flush()
      return result
    }
    return { transaction: inDriver }
  }

  // A handler that is still running when the connection closes may finish its calls.
  const workerPlace = (id: TenantId): Place => ({
    ...base,
    calls: { isClosed: false, fibers: new Set() },
    context: Context.add(base.context, Tenant, { id })
  })

  const callContextOf = (place: Place, signal: AbortSignal): Workers.CallContext => {
    const limited: Place = { ...place, signal }
    return { tenant: tenantHandle(limited), query: queryOf(limited), signal }
  }

  const workers = Workers.make({
    database: checked.database,
    domains,
    context: base.context,
    call: (id, body) =>
      Effect.tryPromise({
        try: async (signal) => body(callContextOf(workerPlace(id), signal)),
        catch: (error) => new Thrown(error)
      }),
    callInTransaction: (id, body) =>
      Effect.suspend(() => {
        const controller = new AbortController()
        return inside(workerPlace(id), {}, (within) => body(callContextOf(within, controller.signal))).pipe(
          Effect.onInterrupt(() => Effect.sync(() => controller.abort()))
        )
      })
  })

  const work = async (handlers: unknown = [], options: unknown = {}): Promise<object> => {
    const site = siteOf(work)
    const checkedWork = orThrow(Workers.check(handlers, options), site)
    return run(base, "work", site, workers.start(checkedWork))
  }

  const migrate = (): Promise<ReadonlyArray<string>> =>
    run(base, "migrate", siteOf(migrate), Session.migrate(checked, domains))

  const closeOnce = Effect.gen(function* () {
    calls.isClosed = true
    yield* workers.stopAll
    yield* Effect.forEach(calls.fibers, Fiber.await, { discard: true }).pipe(
      Effect.timeoutOption(closePatience)
    )
    yield* Fiber.interruptAll(calls.fibers)
    yield* opened.closeAll
    yield* Scope.close(scope, Exit.void)
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= Effect.runPromise(closeOnce))

  const actor = `process ${checked.applicationName}`
  const system = handleOf({ ...base, context: Context.add(base.context, AllTenants, { actor }) })
  const isFailure = (error: unknown): boolean =>
    error instanceof Error && hasProperty(error, "_tag") && typeof error._tag === "string"

  return {
    migrate,
    tenant,
    system,
    transaction,
    within,
    over,
    work,
    isFailure,
    close,
    [Symbol.asyncDispose]: close
  }
}
