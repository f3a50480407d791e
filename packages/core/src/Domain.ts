/**
 * A package as one value. Worker, `migrate`, doctor, the Promise door and the configuration reference are built from one
 * list of domains.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Check } from "./Check.ts"
import type * as Handler from "./Handler.ts"
import * as EffectCopies from "./internal/effectCopies.ts"
import type * as Job from "./Job.ts"
import type { MigrationSet } from "./Migrations.ts"
import type * as Overview from "./Overview.ts"
import * as Partitions from "./Partitions.ts"
import type * as Service from "./Service.ts"
import type * as Setting from "./Setting.ts"
import { type SubjectData, Sources } from "./SubjectData.ts"
import type { Subscription } from "./Subscription.ts"
import type { AllTenants, Tenant } from "./Tenant.ts"
import type { Wakeup } from "./Wakeup.ts"
import type { Run as RunWorker } from "./Work.ts"

/**
 * Services that the layer of a domain may require. Everything else that domains share is a contract of core with a default.
 *
 * @category models
 * @since 0.1.0
 */
export type Infrastructure = SqlClient.SqlClient | Wakeup

/**
 * Services that each run of background work gets in addition to the domain's own.
 *
 * @category models
 * @since 0.1.0
 */
export type Base = SqlClient.SqlClient | Tenant | AllTenants

/**
 * The background work of a domain whose services are built.
 *
 * @category models
 * @since 0.1.0
 */
export interface Work {
  readonly jobs: ReadonlyArray<Job.Runnable<Base>>
  readonly subscriptions: ReadonlyArray<Subscription<Base>>
  readonly handlers: ReadonlyArray<Handler.Handler<Base>>
}

/**
 * The contributions of a domain, whose services are built, to pages over several domains.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contributions {
  readonly alerts: Overview.Alerts<Base> | undefined
  readonly queueFingerprint: Overview.QueueFingerprint<Base> | undefined
  readonly timeline: Overview.Timeline<Base> | undefined
  readonly lookup: Overview.Lookup<Base> | undefined
  /** Finds, exports and erases what the domain holds of a person; undefined when it holds nothing. */
  readonly subjectData: SubjectData<Base> | undefined
}

/**
 * A domain with its services built.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started extends Work, Contributions {
  readonly name: string
  /** The services, for the Promise door. */
  readonly context: Context.Context<never>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Domain<
  in Services = never,
  out E = Config.ConfigError,
  out R = Infrastructure,
  out Offered extends Readonly<Record<string, Service.Any>> = Readonly<Record<string, Service.Any>>
> {
  readonly name: string
  /** The prefixes of its tables. */
  readonly tables: ReadonlyArray<string>
  readonly migrations: MigrationSet
  /** Its services. */
  readonly layer: Layer.Layer<Services, E, R>
  /** Fills contracts of core for all domains, for example `Outbox`. */
  readonly contracts: Layer.Layer<never, Config.ConfigError, Infrastructure>
  /** Its services by the name they have in the Promise door. */
  readonly services: Offered
  /** The keys of the services that only the domain itself calls. */
  readonly internalServices: ReadonlyArray<string>
  readonly jobs: ReadonlyArray<Job.Declared>
  readonly subscriptions: ReadonlyArray<Pick<Subscription<never>, "name" | "types" | "batchMax">>
  readonly handlers: ReadonlyArray<Omit<Handler.Handler<never>, "run">>
  readonly checks: ReadonlyArray<Check>
  /** Its tables that are partitioned by time. One job of the worker maintains those of all domains. */
  readonly partitions: ReadonlyArray<Partitions.Partitions>
  readonly settings: ReadonlyArray<Setting.Any>
  /** The tables that its data of persons covers; undefined when it brings none. */
  readonly subjectTables: ReadonlyArray<string> | undefined
  /** Writes, after migrations, what a list of domains handles and schedules. The domain that runs the queue has it. */
  readonly register:
    | ((domains: ReadonlyArray<Any>) => Effect.Effect<void, SqlError, SqlClient.SqlClient>)
    | undefined
  /** Updates gauges of what the database holds, for example of a backlog. Every worker runs it every 15 seconds. */
  readonly measure: Effect.Effect<void, SqlError, SqlClient.SqlClient> | undefined
  /** Runs a worker for the Promise door. The domain that runs the queue has it. */
  readonly worker: RunWorker | undefined
  /** Builds the services and closes the background work over them. The services end with the scope. */
  readonly start: Effect.Effect<Started, E, R | Scope.Scope>
}

/**
 * A domain whose services do not matter, for lists of domains.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Domain<never>

/**
 * The parts of a domain, without the services that it offers in the Promise door.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<Services, E extends Config.ConfigError, R extends Infrastructure> {
  readonly name: string
  readonly tables: ReadonlyArray<string>
  readonly migrations: MigrationSet
  readonly layer: Layer.Layer<Services, E, R>
  readonly contracts?: Layer.Layer<never, Config.ConfigError, Infrastructure>
  /** The classes of services that only the domain itself calls. */
  readonly internalServices?: ReadonlyArray<Context.Key<unknown, unknown>>
  readonly jobs?: ReadonlyArray<Job.Runnable<NoInfer<Services> | Base>>
  readonly subscriptions?: ReadonlyArray<Subscription<NoInfer<Services> | Base>>
  readonly handlers?: ReadonlyArray<Handler.Handler<NoInfer<Services> | Base>>
  readonly checks?: ReadonlyArray<Check>
  readonly partitions?: ReadonlyArray<Partitions.Partitions>
  readonly settings?: ReadonlyArray<Setting.Any>
  readonly alerts?: Overview.Alerts<NoInfer<Services> | Base>
  readonly queueFingerprint?: Overview.QueueFingerprint<NoInfer<Services> | Base>
  readonly timeline?: Overview.Timeline<NoInfer<Services> | Base>
  readonly lookup?: Overview.Lookup<NoInfer<Services> | Base>
  readonly subjectData?: SubjectData<NoInfer<Services> | Base>
  readonly register?: (domains: ReadonlyArray<Any>) => Effect.Effect<void, SqlError, SqlClient.SqlClient>
  readonly measure?: Effect.Effect<void, SqlError, SqlClient.SqlClient>
  readonly worker?: RunWorker
}

/**
 * Makes a domain. Jobs, subscriptions, handlers and contributions may require the services of `layer`: they are built
 * once per process and closed over, so the worker and a test compose them in one way.
 *
 * Throws when a queue of a handler does not begin with the domain's name.
 *
 * @category constructors
 * @since 0.1.0
 */
export function make<
  Services,
  E extends Config.ConfigError,
  R extends Infrastructure,
  const Offered extends Readonly<Record<string, Service.Any>>
>(options: Options<Services, E, R> & { readonly services: Offered }): Domain<Services, E, R, Offered>
export function make<Services, E extends Config.ConfigError, R extends Infrastructure>(
  options: Options<Services, E, R>
): Domain<Services, E, R, Readonly<Record<never, never>>>
export function make<Services, E extends Config.ConfigError, R extends Infrastructure>(
  options: Options<Services, E, R> & { readonly services?: Readonly<Record<string, Service.Any>> }
): Domain<Services, E, R> {
  const { name, alerts, queueFingerprint, timeline, lookup, subjectData } = options
  const { partitions = [], checks = [] } = options
  const { handlers = [], jobs = [], subscriptions = [] } = options
  EffectCopies.warnOfDomain(name, options.layer)
  for (const { queue } of handlers) {
    if (!queue.startsWith(`${name}.`)) throw new TypeError(`${queue} is no queue of the domain ${name}`)
  }
  const start = Effect.map(Layer.build(options.layer), (context): Started => {
    const provide = <A, E1>(self: Effect.Effect<A, E1, Services | Base>): Effect.Effect<A, E1, Base> =>
      Effect.updateContext(self, (base: Context.Context<Base>) => Context.merge(base, context))
    return {
      name,
      context,
      jobs: jobs.map((job) => ({ ...job, run: (payload) => provide(job.run(payload)) })),
      subscriptions: subscriptions.map((subscription) => ({
        ...subscription,
        handler: (events) => provide(subscription.handler(events))
      })),
      handlers: handlers.map((handler) => ({ ...handler, run: (batch) => provide(handler.run(batch)) })),
      alerts: alerts === undefined ? undefined : provide(alerts),
      queueFingerprint: queueFingerprint === undefined ? undefined : provide(queueFingerprint),
      timeline: timeline === undefined ? undefined : (request) => provide(timeline(request)),
      lookup: lookup === undefined ? undefined : (text) => provide(lookup(text)),
      subjectData:
        subjectData === undefined
          ? undefined
          : {
              tables: subjectData.tables,
              discover: (subject) => provide(subjectData.discover(subject)),
              export: (subject) =>
                Stream.updateContext(subjectData.export(subject), (base: Context.Context<Base>) =>
                  Context.merge(base, context)
                ),
              erase: (subject, cursor) => provide(subjectData.erase(subject, cursor)),
              eraseTenant: (cursor) => provide(subjectData.eraseTenant(cursor))
            }
    }
  })
  return {
    name,
    tables: options.tables,
    migrations: options.migrations,
    layer: options.layer,
    contracts: options.contracts ?? Layer.empty,
    services: options.services ?? {},
    internalServices: (options.internalServices ?? []).map(({ key }) => key),
    jobs,
    subscriptions,
    handlers,
    checks: partitions.length === 0 ? checks : [...checks, Partitions.check(partitions)],
    partitions,
    settings: options.settings ?? [],
    subjectTables: subjectData?.tables,
    register: options.register,
    measure: options.measure,
    worker: options.worker,
    start
  }
}

/**
 * Fills core's contracts from a list of domains. A domain sees the contracts that those before it fill.
 *
 * @category layers
 * @since 0.1.0
 */
export const contracts = (
  domains: ReadonlyArray<Any>
): Layer.Layer<never, Config.ConfigError, Infrastructure> =>
  domains.reduce<Layer.Layer<never, Config.ConfigError, Infrastructure>>(
    (filled, domain) => Layer.provideMerge(domain.contracts, filled),
    Layer.empty
  )

/** Runs all that a domain brings with the contracts that are filled. What the caller provides goes before them. */
const withContracts = (filled: Context.Context<never>, started: Started): Started => {
  const provide = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.updateContext(self, (base: Context.Context<R>) => Context.merge(filled, base))
  const { lookup, subjectData, timeline } = started
  return {
    name: started.name,
    context: Context.merge(filled, started.context),
    jobs: started.jobs.map((job) => ({ ...job, run: (payload) => provide(job.run(payload)) })),
    subscriptions: started.subscriptions.map((subscription) => ({
      ...subscription,
      handler: (events) => provide(subscription.handler(events))
    })),
    handlers: started.handlers.map((handler) => ({
      ...handler,
      run: (batch) => provide(handler.run(batch))
    })),
    alerts: started.alerts === undefined ? undefined : provide(started.alerts),
    queueFingerprint: started.queueFingerprint === undefined ? undefined : provide(started.queueFingerprint),
    timeline: timeline === undefined ? undefined : (request) => provide(timeline(request)),
    lookup: lookup === undefined ? undefined : (text) => provide(lookup(text)),
    subjectData:
      subjectData === undefined
        ? undefined
        : {
            tables: subjectData.tables,
            discover: (subject) => provide(subjectData.discover(subject)),
            export: (subject) =>
              Stream.updateContext(subjectData.export(subject), (base: Context.Context<Base>) =>
                Context.merge(filled, base)
              ),
            erase: (subject, cursor) => provide(subjectData.erase(subject, cursor)),
            eraseTenant: (cursor) => provide(subjectData.eraseTenant(cursor))
          }
  }
}

/**
 * Starts a list of domains with the contracts that they fill for one another. Services, background work and contributions
 * run with these contracts, and with what the domains hold of persons as `SubjectData.Sources`.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* (
  domains: ReadonlyArray<Any>
): Effect.fn.Return<ReadonlyArray<Started>, Config.ConfigError, Infrastructure | Scope.Scope> {
  const filled = yield* Layer.build(contracts(domains))
  const started = yield* Effect.forEach(domains, (domain) => domain.start).pipe(
    Effect.updateContext((context: Context.Context<Infrastructure | Scope.Scope>) =>
      Context.merge(context, filled)
    )
  )
  const filledDomains = started.map((domain) => withContracts(filled, domain))
  const sources = filledDomains.flatMap(({ name, subjectData }) =>
    subjectData === undefined ? [] : [{ domain: name, data: subjectData }]
  )
  const withSources = Context.make(Sources, sources)
  return filledDomains.map((domain) => withContracts(withSources, domain))
})
