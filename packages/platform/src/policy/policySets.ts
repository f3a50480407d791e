/** The compiled policies of the installation and of tenants in memory, and as a transaction reads them. */
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import { system, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import * as Engine from "./engine.ts"
import * as Rows from "./rows.ts"
import * as Store from "./store.ts"

/** Signals carry the owner. */
const channel = "platform.policy"

/** A decision is at most 500 ms old, with a wake-up or without. */
const poll = "400 millis"

/** Tenants in memory: some megabytes. The least recently used are read again. */
const tenantsMax = 1_000

/** `_system` is no tenant's id, and its policies are read like a tenant's. */
const installationId = TenantId.make(system, { disableChecks: true })

const readTimedOut = new SqlError({
  reason: new ConnectionError({
    cause: undefined,
    message: "Reading the policies took too long",
    operation: "query"
  })
})

export interface Pair {
  readonly installation: Engine.PolicySet
  readonly tenant: Engine.PolicySet
}

export class PolicySets extends Context.Service<
  PolicySets,
  {
    readonly store: ReturnType<typeof Store.make>
    /** The process's copy; undefined until it was read. Starts reading then. */
    readonly current: (tenantId: TenantId) => Pair | undefined
    /** The process's copy, read when there is none. */
    readonly ready: Effect.Effect<Pair, SqlError, Tenant>
    /** Keeps the copy in memory until the scope ends. */
    readonly keep: Effect.Effect<void, never, Tenant | Scope.Scope>
    /** As the transaction of the caller reads them. */
    readonly now: Effect.Effect<Pair, SqlError, Tenant>
  }
>()("@hypermarket/platform/policy/PolicySets") {
  static readonly layer: Layer.Layer<PolicySets, never, SqlClient.SqlClient> = Layer.effect(
    PolicySets,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const listening = yield* Effect.serviceOption(Wakeup.Wakeup)
      const layerWakeup = Option.match(listening, {
        onNone: () => Wakeup.layerSilent,
        onSome: (wakeup) => Layer.succeed(Wakeup.Wakeup, wakeup)
      })
      const store = Store.make(sql, (owner) =>
        Option.match(listening, {
          onNone: () => Effect.void,
          onSome: (wakeup) => wakeup.signal(channel, owner)
        })
      )
      const read = (owner: string, revision: bigint) =>
        Effect.map(store.all(owner), (rows) => Engine.compile(rows.map(Rows.toStored), revision))
      const live = yield* LiveConfig.make({
        channel,
        revision: Effect.flatMap(Tenant, ({ id }) => store.revisionOf(id)),
        read,
        poll,
        tenantsMax
      }).pipe(Effect.provide(yield* Layer.build(layerWakeup)))

      const one = (owner: TenantId) =>
        live.ready(owner).pipe(Effect.catchTag("TimeoutError", () => Effect.fail(readTimedOut)))

      const start = (owner: TenantId): void => {
        Effect.runFork(Effect.ignore(live.ready(owner)))
      }

      const current = (tenantId: TenantId): Pair | undefined => {
        const installation = live.current(installationId)
        const tenant = live.current(tenantId)
        if (installation !== undefined && tenant !== undefined) return { installation, tenant }
        start(installationId)
        start(tenantId)
        return undefined
      }

      const ready = Effect.gen(function* () {
        const { id } = yield* Tenant
        return yield* Effect.all({ installation: one(installationId), tenant: one(id) })
      })

      const keep = Effect.gen(function* () {
        const { id } = yield* Tenant
        for (const owner of [installationId, id]) {
          yield* live.changes(owner).pipe(Stream.runDrain, Effect.forkScoped)
        }
      })

      /** The copy in memory when it is of the revision that the transaction sees. */
      const seen = Effect.fnUntraced(function* (owner: TenantId) {
        const revision = yield* store.revisionOf(owner)
        const copy = live.current(owner)
        return copy !== undefined && copy.revision === revision ? copy : yield* read(owner, revision)
      })

      const now = Effect.gen(function* () {
        const { id } = yield* Tenant
        return { installation: yield* seen(installationId), tenant: yield* seen(id) }
      })

      return PolicySets.of({ store, current, ready, keep, now })
    })
  )
}
