/**
 * The service that evaluates a tenant's flags. A process keeps each environment compiled at its newest revision.
 *
 * @since 0.1.0
 */
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Attributes, FlagEvaluation, FlagExplanation } from "./FlagEvaluation.ts"
import * as FlagEvaluator from "./FlagEvaluator.ts"
import * as Revision from "./flags/revision.ts"
import * as Statements from "./flags/statements.ts"

/**
 * Revisions are asked for this often, in milliseconds, where no wake-up arrives: without a `Wakeup`, or in place of a lost one.
 *
 * @category constants
 * @since 0.1.0
 */
export const pollMillis = { withoutWakeup: 250, withWakeup: 5_000 } as const

/** Tenants in memory. Past it the least recently used is dropped, and read again when it is asked for. */
const tenantsMax = 1_000

/** The wait for a revision that the database already has. It ends a request before its deadline. */
const catchUpDeadline = "2 seconds"

/** A revision is one row by its key. Past this time the database counts as unavailable until it answers. */
const confirmPatience = "500 millis"

/** The environments of a tenant, compiled when they are first used. */
type Environments = ReadonlyMap<string, () => FlagEvaluator.FlagEvaluator>

const lazy = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

const toEnvironments = (snapshot: Statements.TenantSnapshot): Environments => {
  const segments = new Map(Object.entries(snapshot.segments))
  return new Map(
    Object.entries(snapshot.revisions).map(([environment, revision]) => [
      environment,
      lazy(() =>
        FlagEvaluator.make({
          environment,
          revision,
          flags: snapshot.flags.filter((flag) => flag.environment === environment),
          segments
        })
      )
    ])
  )
}

const empty = (environment: string): FlagEvaluator.FlagEvaluator =>
  FlagEvaluator.make({ environment, revision: 0n, flags: [], segments: new Map() })

const readTimedOut = new SqlError({
  reason: new ConnectionError({
    cause: undefined,
    message: "Reading the flags took too long",
    operation: "query"
  })
})

/**
 * Evaluates flags.
 *
 * A change reaches every process that listens by `Wakeup`; one that does not asks for it every 250 milliseconds. While the
 * database is unavailable, evaluation goes on at the last revision that this process has read; a tenant that it has never read
 * fails.
 *
 * @category services
 * @since 0.1.0
 */
export class FlagEvaluations extends Context.Service<
  FlagEvaluations,
  {
    /** Returns the flags of an environment, compiled: at revision `atLeast` or a newer one, when there is one. */
    readonly evaluator: (
      environment: string,
      atLeast?: bigint
    ) => Effect.Effect<FlagEvaluator.FlagEvaluator, SqlError, Tenant>
    /**
     * Returns the flags of an environment at the revision that the database has when it is asked, or a newer one. While the
     * database is unavailable, the last ones that this process has read.
     */
    readonly newest: (environment: string) => Effect.Effect<FlagEvaluator.FlagEvaluator, SqlError, Tenant>
    readonly evaluate: (
      environment: string,
      flagKey: string,
      attributes: Attributes
    ) => Effect.Effect<FlagEvaluation, SqlError, Tenant>
    readonly explain: (
      environment: string,
      flagKey: string,
      attributes: Attributes
    ) => Effect.Effect<FlagExplanation, SqlError, Tenant>
    /**
     * The newest flags of an environment at once, then those of each newer revision. A slow reader gets the newest and misses
     * those between. The tenant is kept in memory while the stream is read.
     */
    readonly changes: (environment: string) => Stream.Stream<FlagEvaluator.FlagEvaluator, SqlError, Tenant>
    /** Returns a function for the milliseconds since the tenant's flags were known to be the newest; 0 before they are read. */
    readonly age: Effect.Effect<() => number, never, Tenant>
  }
>()("@hypermarket/platform/FlagEvaluations") {
  static readonly layer: Layer.Layer<FlagEvaluations, never, SqlClient.SqlClient> = Layer.effect(
    FlagEvaluations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const scope = yield* Effect.scope
      const statements = Statements.make(sql)
      const listening = yield* Effect.serviceOption(Wakeup.Wakeup)
      const layerWakeup = Option.match(listening, {
        onNone: () => Wakeup.layerSilent,
        onSome: (wakeup) => Layer.succeed(Wakeup.Wakeup, wakeup)
      })
      const config = yield* LiveConfig.make({
        channel: Revision.channel,
        revision: statements.tenantRevision,
        read: () => Effect.map(statements.tenantSnapshot, toEnvironments),
        poll: Option.isSome(listening) ? pollMillis.withWakeup : pollMillis.withoutWakeup,
        tenantsMax
      }).pipe(Effect.provide(yield* Layer.build(layerWakeup)))

      const loaded = Effect.fnUntraced(function* (environment: string) {
        const tenant = yield* Tenant
        const environments =
          config.current(tenant.id) ??
          (yield* config
            .ready(tenant.id)
            .pipe(Effect.catchTag("TimeoutError", () => Effect.fail(readTimedOut))))
        return environments.get(environment)?.() ?? empty(environment)
      })

      const changes = (environment: string) =>
        Stream.unwrap(
          Effect.map(Tenant, ({ id }) =>
            config.changes(id).pipe(
              Stream.mapEffect(() => loaded(environment)),
              Stream.changesWith((before, after) => before.revision === after.revision)
            )
          )
        )

      const age = Effect.gen(function* () {
        const { id } = yield* Tenant
        const context = yield* Effect.context()
        return () => Effect.runSyncWith(context)(config.ageMillis(id)) ?? 0
      })

      /** Waits for a revision that is committed; one that is not is a mistake of the caller. */
      const caughtUp = Effect.fnUntraced(function* (environment: string, atLeast: bigint) {
        const committed = yield* statements.revision(environment)
        const wanted = committed < atLeast ? committed : atLeast
        return yield* changes(environment).pipe(
          Stream.filter((evaluator) => evaluator.revision >= wanted),
          Stream.runHead,
          Effect.timeout(catchUpDeadline),
          Effect.catchTag("TimeoutError", () => Effect.fail(readTimedOut)),
          Effect.flatMap(
            Option.match({
              onNone: () => Effect.fail(readTimedOut),
              onSome: (evaluator) => Effect.succeed(evaluator)
            })
          )
        )
      })

      const evaluator = Effect.fnUntraced(function* (environment: string, atLeast: bigint = 0n) {
        const current = yield* loaded(environment)
        return current.revision >= atLeast ? current : yield* caughtUp(environment, atLeast)
      })

      let isAway = false
      let isAsking = false
      const ask = Effect.fnUntraced(function* (environment: string) {
        isAsking = true
        const revision = yield* statements
          .revision(environment)
          .pipe(Effect.timeout(confirmPatience), Effect.option)
        isAsking = false
        isAway = Option.isNone(revision)
        return Option.getOrElse(revision, () => 0n)
      })

      /** While the database is unavailable, one question at a time goes on in the background, and no request waits for it. */
      const confirmed = Effect.fnUntraced(function* (environment: string) {
        if (!isAway) return yield* ask(environment)
        if (!isAsking) yield* Effect.forkIn(ask(environment), scope)
        return 0n
      })

      const newest = Effect.fnUntraced(function* (environment: string) {
        const last = yield* loaded(environment)
        const revision = yield* confirmed(environment)
        return revision <= last.revision
          ? last
          : yield* Effect.catch(evaluator(environment, revision), () => Effect.succeed(last))
      })

      const evaluate = Effect.fn("FlagEvaluations.evaluate")(function* (
        environment: string,
        flagKey: string,
        attributes: Attributes
      ) {
        return (yield* evaluator(environment)).evaluate(flagKey, attributes)
      })

      const explain = Effect.fn("FlagEvaluations.explain")(function* (
        environment: string,
        flagKey: string,
        attributes: Attributes
      ) {
        return (yield* evaluator(environment)).explain(flagKey, attributes)
      })

      return FlagEvaluations.of({ evaluator, newest, evaluate, explain, changes, age })
    })
  )
}
