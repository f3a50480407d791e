/**
 * The service of user behaviour. Signals are append-only and recorded once each. The signals of one user and day count up
 * to a limit.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Identifier from "@hypermarket/core/Identifier"
import { errorsMax } from "@hypermarket/core/InputErrors"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Text from "@hypermarket/core/Text"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { IndexName } from "./SearchIndex.ts"
import {
  batchMax,
  dedupeDays,
  type HistoryItem,
  historyMax,
  type Recorded,
  Signal,
  SignalsInvalid,
  userDayLimits
} from "./UserBehavior.ts"

/**
 * The program that observes users: a signal's id is unique within it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Source = Text.make({ max: 200 })

/**
 * The signals of one call.
 *
 * @category models
 * @since 0.1.0
 */
export const Signals = Schema.Array(Signal).check(Schema.isMaxLength(batchMax))

/**
 * The searches of one call, each with its query as typed.
 *
 * @category models
 * @since 0.1.0
 */
export const Searches = Schema.Array(
  Schema.Struct({ id: Signal.fields.id, query: Text.make({ min: 0, max: 1_500 }) })
).check(Schema.isMaxLength(batchMax))

/** Maximum characters of a counted query; the rest is cut off. */
const queryCharsMax = 200
/** Maximum queries kept per index: the commonest. */
const queriesMax = 10_000
/** Days for which allowances are kept after their day: the clocks of processes differ. */
const allowanceDays = 1
/** Maximum rows of one deletion, so that it holds its locks for milliseconds. */
const pruneMax = 5_000
const dayOf = (now: Date): string => now.toISOString().slice(0, 10)
const dayMillis = 24 * 60 * 60 * 1000

/** Fails if a signal happened beyond the clock, or before `earliest`. */
const checkTimes = (signals: ReadonlyArray<Signal>, now: Date, earliest: number) => {
  const errors = signals.flatMap(({ at }, index) => {
    const message =
      at.epochMilliseconds < earliest
        ? `Expected an instant of the last ${dedupeDays} days`
        : Commerce.aheadMessage(at, now)
    return message === undefined ? [] : [{ path: [String(index), "at"], message }]
  })
  return errors.length === 0 ? Effect.void : new SignalsInvalid({ errors: errors.slice(0, errorsMax) })
}

/** The weight of each kind in a product's popularity. */
const weights: Readonly<Record<Signal["kind"], number>> = { view: 1, click: 2, cart: 5, purchase: 10 }

/** Returns a query in the form in which it is counted: in lower case, without extra spaces. */
const normalised = (query: string): string =>
  query.trim().replaceAll(/\s+/g, " ").toLowerCase().slice(0, queryCharsMax).trim().toWellFormed()

/**
 * Records the behaviour of users, and reads and erases it.
 *
 * @category services
 * @since 0.1.0
 */
export class UserBehaviors extends Context.Service<
  UserBehaviors,
  {
    /**
     * Records up to `batchMax` signals of one source, all or nothing, in the caller's transaction. Fails if one is more than
     * 24 hours ahead of the clock. Signals of the past are taken, those older than 750 days until the next maintenance.
     */
    readonly record: (
      source: string,
      signals: ReadonlyArray<Signal>
    ) => Effect.Effect<Recorded, SignalsInvalid | SqlError, Tenant>
    /** Records as `record` does, from a public key: fails also if a signal is older than ids are remembered. */
    readonly recordByClient: (
      source: string,
      signals: ReadonlyArray<Signal>
    ) => Effect.Effect<Recorded, SignalsInvalid | SqlError, Tenant>
    /** Counts the queries of searches in an index, each search once. Returns the number of new searches. */
    readonly recordQueries: (
      source: string,
      indexName: IndexName,
      searches: ReadonlyArray<{ readonly id: string; readonly query: string }>
    ) => Effect.Effect<number, SqlError, Tenant>
    /** Lists the products that a user viewed or clicked, the latest first. */
    readonly history: (userKey: string) => Effect.Effect<ReadonlyArray<HistoryItem>, SqlError, Tenant>
    /** Deletes a user's history and signals. Popularity keeps its sums, which identify no user. */
    readonly erase: (userKey: string) => Effect.Effect<{ readonly erased: number }, SqlError, Tenant>
    /** Counts the recorded signals that are not yet part of popularity. */
    readonly pending: Effect.Effect<number, SqlError, Tenant>
    /** Deletes expired ids, allowances of past days and rare queries. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/search/UserBehaviors") {
  static readonly layer: Layer.Layer<UserBehaviors, never, SqlClient.SqlClient> = Layer.effect(
    UserBehaviors,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      /** Returns the new ids. Sorted, so that two batches of the same signals cannot deadlock. */
      const remember = (tenantId: string, source: string, ids: ReadonlyArray<string>, now: Date) => sql<{
        readonly key: string
      }>`
        INSERT INTO hm_user_behavior_signal_key AS k (tenant_id, source, key, expires_at)
        SELECT ${tenantId}, ${source}, i.key, ${new Date(now.getTime() + dedupeDays * dayMillis)}
          FROM (
               SELECT DISTINCT key
                 FROM unnest(${ids}::text[]) AS u (key)
                ORDER BY key
               ) i
            ON CONFLICT (tenant_id, source, key)
            DO UPDATE SET expires_at = excluded.expires_at
                WHERE k.expires_at <= ${now}
        RETURNING key
      `

      /** Returns the items whose ids are new, each id once. */
      const withNewIds = <A extends { readonly id: string }>(
        tenantId: string,
        source: string,
        items: ReadonlyArray<A>,
        now: Date
      ): Effect.Effect<ReadonlyArray<A>, SqlError> =>
        Effect.map(
          remember(
            tenantId,
            source,
            items.map(({ id }) => id),
            now
          ),
          (rows) => {
            const newIds = new Set(rows.map(({ key }) => key))
            return items.filter(({ id }) => newIds.delete(id))
          }
        )

      const insert = (
        tenantId: string,
        signals: ReadonlyArray<Signal & { readonly signalId: string }>,
        now: Date
      ) =>
        sql<{ readonly kept: number }>`
        WITH batch AS (
          SELECT s.*, s.kind <> 'purchase' AS is_bounded,
                 row_number() OVER (PARTITION BY s.user_key, s.kind <> 'purchase' ORDER BY s.n) AS of_user,
                 count(*) OVER (PARTITION BY s.user_key, s.kind <> 'purchase') AS user_count,
                 row_number() OVER (PARTITION BY s.user_key, s.product_id, s.kind <> 'purchase' ORDER BY s.n) AS of_product,
                 count(*) OVER (PARTITION BY s.user_key, s.product_id, s.kind <> 'purchase') AS product_count
            FROM unnest(${signals.map(({ signalId }) => signalId)}::uuid[], ${signals.map(({ kind }) => kind)}::text[],
                        ${signals.map(({ userKey }) => userKey)}::text[], ${signals.map(({ productId }) => productId)}::text[],
                        ${signals.map(({ queryId }) => queryId ?? "")}::text[],
                        ${signals.map(({ position }) => position ?? 0)}::int4[],
                        ${signals.map(({ quantity }) => quantity ?? 1)}::int4[],
                        ${signals.map(({ kind }) => weights[kind])}::int4[],
                        ${signals.map(({ at }) => DateTime.formatIso(at))}::text[]::timestamptz[])
                 WITH ORDINALITY AS s (signal_id, kind, user_key, product_id, query_id, position, quantity, weight,
                                       occurred_at, n)),
        used AS (
          INSERT INTO hm_search_user_allowance AS a (tenant_id, day, user_key, product_id, used)
          SELECT ${tenantId}, ${dayOf(now)}::text::date, g.user_key, g.product_id, g.used
            FROM (
                 SELECT user_key, product_id, count(*)::int AS used
                   FROM batch
                  WHERE is_bounded
                  GROUP BY user_key, product_id
                  UNION ALL
                 SELECT user_key, '', count(*)::int
                   FROM batch
                  WHERE is_bounded
                  GROUP BY user_key
                 ) g
           ORDER BY g.user_key, g.product_id
              ON CONFLICT (tenant_id, day, user_key, product_id)
              DO UPDATE SET used = a.used + excluded.used
          RETURNING user_key, product_id, used),
        kept AS (
          SELECT b.*, NOT b.is_bounded
                      OR (u.used - b.user_count + b.of_user <= ${userDayLimits.counted}
                          AND p.used - b.product_count + b.of_product <= ${userDayLimits.countedPerProduct}) AS counted
            FROM batch b
            LEFT JOIN used u ON u.user_key = b.user_key AND u.product_id = ''
            LEFT JOIN used p ON p.user_key = b.user_key AND p.product_id = b.product_id
           WHERE NOT b.is_bounded OR u.used - b.user_count + b.of_user <= ${userDayLimits.kept}),
        written AS (
          INSERT INTO hm_user_behavior_signal (tenant_id, signal_id, occurred_at, kind, user_key, product_id, query_id,
                                               position, quantity, counted, recorded_at)
          SELECT ${tenantId}, signal_id, occurred_at, kind, user_key, product_id, nullif(query_id, ''),
                 nullif(position, 0)::smallint, quantity, counted, ${now}
            FROM kept),
        pending AS (
          INSERT INTO hm_search_popularity_pending (tenant_id, product_id, weight, occurred_at, recorded_at)
          SELECT ${tenantId}, product_id, weight, occurred_at, ${now}
            FROM kept
           WHERE counted),
        viewed AS (
          INSERT INTO hm_browse_history AS h (tenant_id, user_key, product_id, viewed_at, views)
          SELECT ${tenantId}, user_key, product_id, max(occurred_at), count(*)::int
            FROM kept
           WHERE kind IN ('view', 'click')
           GROUP BY user_key, product_id
           ORDER BY user_key, product_id
              ON CONFLICT (tenant_id, user_key, product_id)
              DO UPDATE SET viewed_at = greatest(h.viewed_at, excluded.viewed_at), views = h.views + excluded.views)
        SELECT count(*)::int AS kept
          FROM kept
      `

      /** Deletes the oldest products of histories that are too long. */
      const trim = (tenantId: string, userKeys: ReadonlyArray<string>) => sql`
        DELETE FROM hm_browse_history h
         USING (SELECT user_key, product_id,
                       row_number() OVER (PARTITION BY user_key ORDER BY viewed_at DESC, product_id) AS n
                  FROM hm_browse_history
                 WHERE tenant_id = ${tenantId} AND user_key = ANY (${userKeys}::text[])) o
         WHERE h.tenant_id = ${tenantId} AND h.user_key = o.user_key AND h.product_id = o.product_id
           AND o.n > ${historyMax}
      `

      const recordIn = Effect.fnUntraced(function* (source: string, signals: ReadonlyArray<Signal>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const accepted = yield* withNewIds(tenant.id, source, signals, now)
        const duplicates = signals.length - accepted.length
        if (accepted.length === 0) return { recorded: 0, duplicates, limited: 0 }
        const identified = yield* Effect.forEach(accepted, (signal) =>
          Effect.map(Identifier.next, (signalId) => ({ ...signal, signalId }))
        )
        const [row] = yield* insert(tenant.id, identified, now)
        yield* trim(tenant.id, Array.from(new Set(accepted.map(({ userKey }) => userKey))))
        const recorded = row?.kept ?? 0
        return { recorded, duplicates, limited: accepted.length - recorded }
      })

      const recordFrom = Effect.fnUntraced(function* (
        source: string,
        signals: ReadonlyArray<Signal>,
        pastMillisMax: number
      ) {
        if (signals.length === 0) return { recorded: 0, duplicates: 0, limited: 0 }
        const now = yield* Now.now
        yield* checkTimes(signals, now, now.getTime() - pastMillisMax)
        return yield* transactionOf(sql)(recordIn(source, signals))
      })

      const record = Effect.fn("UserBehaviors.record")((source: string, signals: ReadonlyArray<Signal>) =>
        recordFrom(source, signals, Number.POSITIVE_INFINITY)
      )

      // Its keys are public: with older ids one could count a signal again and again.
      const recordByClient = Effect.fn("UserBehaviors.recordByClient")(
        (source: string, signals: ReadonlyArray<Signal>) =>
          recordFrom(source, signals, dedupeDays * dayMillis)
      )

      const recordQueriesIn = Effect.fnUntraced(function* (
        source: string,
        indexName: IndexName,
        searches: ReadonlyArray<{ readonly id: string; readonly query: string }>
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const accepted = yield* withNewIds(tenant.id, source, searches, now)
        const queries = accepted.map(({ query }) => normalised(query)).filter((query) => query !== "")
        yield* sql`
          INSERT INTO hm_search_query AS q (tenant_id, index_name, query, searches, searched_at)
          SELECT ${tenant.id}, ${indexName}, u.query, count(*), ${now}
            FROM unnest(${queries}::text[]) AS u (query)
           GROUP BY u.query
           ORDER BY u.query
              ON CONFLICT (tenant_id, index_name, query)
              DO UPDATE SET searches = q.searches + excluded.searches, searched_at = excluded.searched_at
        `
        return accepted.length
      })

      const recordQueries = Effect.fn("UserBehaviors.recordQueries")(
        (
          source: string,
          indexName: IndexName,
          searches: ReadonlyArray<{ readonly id: string; readonly query: string }>
        ): Effect.Effect<number, SqlError, Tenant> =>
          searches.length === 0
            ? Effect.succeed(0)
            : transactionOf(sql)(recordQueriesIn(source, indexName, searches))
      )

      const history = Effect.fn("UserBehaviors.history")(function* (userKey: string) {
        const tenant = yield* Tenant
        const rows = yield* sql<{
          readonly productId: string
          readonly views: number
          readonly viewedAt: Date
        }>`
          SELECT product_id AS "productId", views, viewed_at AS "viewedAt"
            FROM hm_browse_history
           WHERE tenant_id = ${tenant.id} AND user_key = ${userKey}
           ORDER BY viewed_at DESC, product_id
           LIMIT ${historyMax}
        `
        return rows.map(({ productId, viewedAt, views }) => ({
          productId,
          views,
          viewedAt: DateTime.fromDateUnsafe(viewedAt)
        }))
      })

      const erase = Effect.fn("UserBehaviors.erase")(function* (userKey: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly erased: number }>`
          WITH signals AS (
            DELETE FROM hm_user_behavior_signal
             WHERE tenant_id = ${tenant.id} AND user_key = ${userKey}
            RETURNING 1),
          history AS (
            DELETE FROM hm_browse_history
             WHERE tenant_id = ${tenant.id} AND user_key = ${userKey}
            RETURNING 1),
          allowance AS (
            DELETE FROM hm_search_user_allowance
             WHERE tenant_id = ${tenant.id} AND user_key = ${userKey}
            RETURNING 1)
          SELECT ((SELECT count(*) FROM signals) + (SELECT count(*) FROM history)
                  + (SELECT count(*) FROM allowance))::int AS erased
        `
        return { erased: row?.erased ?? 0 }
      })

      const pending = Effect.gen(function* () {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly pending: number }>`
          SELECT count(*)::int AS pending
            FROM hm_search_popularity_pending
           WHERE tenant_id = ${tenant.id}
        `
        return row?.pending ?? 0
      }).pipe(Effect.withSpan("UserBehaviors.pending"))

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const keys = sql<{ readonly pruned: number }>`
          WITH pruned AS (
            DELETE FROM hm_user_behavior_signal_key
             WHERE ctid = ANY (ARRAY (
                     SELECT ctid
                       FROM hm_user_behavior_signal_key
                      WHERE expires_at <= ${now}
                      LIMIT ${pruneMax}
                        FOR UPDATE SKIP LOCKED))
            RETURNING 1)
          SELECT count(*)::int AS pruned
            FROM pruned
        `
        yield* keys.pipe(Effect.repeat({ until: ([row]) => (row?.pruned ?? 0) < pruneMax }))
        const allowances = sql<{ readonly pruned: number }>`
          WITH pruned AS (
            DELETE FROM hm_search_user_allowance
             WHERE ctid = ANY (ARRAY (
                     SELECT ctid
                       FROM hm_search_user_allowance
                      WHERE day < (${now}::timestamptz AT TIME ZONE 'UTC')::date - ${allowanceDays}::int4
                      LIMIT ${pruneMax}
                        FOR UPDATE SKIP LOCKED))
            RETURNING 1)
          SELECT count(*)::int AS pruned
            FROM pruned
        `
        yield* allowances.pipe(Effect.repeat({ until: ([row]) => (row?.pruned ?? 0) < pruneMax }))
        yield* sql`
          DELETE FROM hm_search_query q
           USING (SELECT tenant_id, index_name, query,
                         row_number() OVER (PARTITION BY tenant_id, index_name ORDER BY searches DESC, query) AS n
                    FROM hm_search_query) o
           WHERE q.tenant_id = o.tenant_id AND q.index_name = o.index_name AND q.query = o.query AND o.n > ${queriesMax}
        `
      }).pipe(Effect.withSpan("UserBehaviors.prune"))

      return UserBehaviors.of({ record, recordByClient, recordQueries, history, erase, pending, prune })
    })
  )
}
