/**
 * Reports that something which an operator watches has changed. A report carries no data: pages ask their ordinary endpoint,
 * where the caller's scopes are checked.
 *
 * Each process reads once per tenant, however many streams there are, and only while there is one.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Base, Started } from "./Domain.ts"
import * as Now from "./Now.ts"
import type { SseEvent } from "./Sse.ts"
import { AllTenants, Tenant, type TenantId } from "./Tenant.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type Topic = "alerts" | "queues"

interface Change {
  readonly topic: Topic
  readonly at: Date
}

/** Alerts are read by every domain, hence less often. */
const intervalMillis: Readonly<Record<Topic, number>> = { alerts: 5_000, queues: 1_000 }

/** A read that takes long is repeated less often: watching uses at most a twentieth of a connection per topic. */
const restFactor = 20

/** A domain that takes longer than the page itself would wait is left out of this round. */
const domainDeadline = "800 millis"

/** Readers that are this far behind miss changes of which they see a later one. */
const unreadMax = 16

/** A reader that has gone for less, as one that connects again, finds the watch going on. */
const idleTimeToLive = "10 seconds"

type Read = Effect.Effect<string, SqlError, Base>

const readsOf = (domains: ReadonlyArray<Started>): Readonly<Record<Topic, ReadonlyArray<Read>>> => ({
  alerts: domains.flatMap(({ alerts }) =>
    alerts === undefined ? [] : [Effect.map(alerts, (list) => JSON.stringify(list))]
  ),
  queues: domains.flatMap(({ queueFingerprint }) => queueFingerprint ?? [])
})

const topics: ReadonlyArray<Topic> = ["alerts", "queues"]

/**
 * Watches tenants on behalf of streams.
 *
 * @category services
 * @since 0.1.0
 */
export class OverviewLive extends Context.Service<
  OverviewLive,
  {
    /**
     * First `ready`, then `changed` for each change of one of the topics. A reader that was away for a while asks again when
     * it is `ready`.
     */
    readonly events: (asked: ReadonlySet<string>) => Stream.Stream<SseEvent, never, Tenant>
  }
>()("@hypermarket/core/OverviewLive") {
  /** Watches what these domains contribute. */
  static readonly layer = (
    domains: ReadonlyArray<Started>
  ): Layer.Layer<OverviewLive, never, SqlClient.SqlClient> =>
    Layer.effect(
      OverviewLive,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const clock = yield* Clock.Clock
        const reads = readsOf(domains)

        const watch = Effect.fnUntraced(function* (
          topic: Topic,
          base: Context.Context<Base>,
          changes: PubSub.PubSub<Change>
        ) {
          const fingerprints = new Map<number, string>()
          while (true) {
            const begunAtMillis = clock.currentTimeMillisUnsafe()
            const current = yield* Effect.forEach(
              reads[topic],
              (read) =>
                read.pipe(
                  Effect.provideContext(base),
                  Effect.timeoutOption(domainDeadline),
                  // The page that shows the domain names what is wrong with it.
                  Effect.catchCause(() => Effect.succeedNone)
                ),
              { concurrency: "unbounded" }
            )
            let hasChanged = false
            for (const [index, fingerprint] of current.entries()) {
              if (Option.isNone(fingerprint)) continue
              const before = fingerprints.get(index)
              hasChanged ||= before !== undefined && before !== fingerprint.value
              fingerprints.set(index, fingerprint.value)
            }
            if (hasChanged) yield* PubSub.publish(changes, { topic, at: yield* Now.now })
            const tookMillis = clock.currentTimeMillisUnsafe() - begunAtMillis
            yield* Effect.sleep(Math.max(intervalMillis[topic], tookMillis * restFactor))
          }
        })

        const watched = yield* RcMap.make({
          lookup: Effect.fnUntraced(function* (id: TenantId) {
            const changes = yield* PubSub.sliding<Change>(unreadMax)
            const base = Context.make(Tenant, { id }).pipe(
              Context.add(AllTenants, { actor: "overview" }),
              Context.add(SqlClient.SqlClient, sql)
            )
            for (const topic of topics) yield* Effect.forkScoped(watch(topic, base, changes))
            return changes
          }),
          idleTimeToLive
        })

        return {
          events: (asked) =>
            Stream.unwrap(
              Effect.gen(function* () {
                const { id } = yield* Tenant
                const changes = yield* RcMap.get(watched, id)
                const subscription = yield* PubSub.subscribe(changes)
                const ready: SseEvent = {
                  event: "ready",
                  data: JSON.stringify({ topics: Array.from(asked) })
                }
                return Stream.concat(
                  Stream.succeed(ready),
                  Stream.fromSubscription(subscription).pipe(
                    Stream.filter(({ topic }) => asked.has(topic)),
                    Stream.map((change): SseEvent => ({ event: "changed", data: JSON.stringify(change) }))
                  )
                )
              })
            )
        }
      })
    )
}
