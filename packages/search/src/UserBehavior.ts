/**
 * What visitors do: views, clicks with the search and position they came from, carts, purchases, and the queries they
 * search for. Append-only, each once; what one user does in a day counts only so far.
 *
 * @since 0.1.0
 */
import { AdopterId, next as nextId } from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { IndexName } from "./SearchIndex.ts"

/**
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * How long a signal's id is remembered.
 *
 * @category limits
 * @since 0.1.0
 */
export const dedupeDays = 30

/**
 * Views, clicks and carts of one user recorded on one day that count for popularity, in all and for one product; and how
 * many are kept at all. A person is far below; a script is cut off. Purchases cost money: they are not bounded.
 *
 * @category limits
 * @since 0.1.0
 */
export const userDayLimits = { counted: 300, countedPerProduct: 5, kept: 2_000 } as const

/**
 * Products in a user's history.
 *
 * @category limits
 * @since 0.1.0
 */
export const historyMax = 100

const queryCharsMax = 200
/** Queries kept of an index: the commonest. */
const queriesMax = 10_000
/** Of the day before too: clocks differ. */
const allowanceDays = 1
/** Few enough rows that a delete holds its locks for milliseconds. */
const pruneMax = 5_000
const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10)
const dayMillis = 24 * 60 * 60 * 1000

/**
 * @category models
 * @since 0.1.0
 */
export const SignalKind = Schema.Literals(["view", "click", "cart", "purchase"])

/**
 * @category models
 * @since 0.1.0
 */
export const Signal = Schema.Struct({
  /** Unique for its source: the same again changes nothing. */
  id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(400)),
  kind: SignalKind,
  /** The customer, else the device, else the session. */
  userKey: AdopterId,
  productId: AdopterId,
  /** Of the search the product was found by, and the hit's place in it, from 1. */
  queryId: Schema.optionalKey(AdopterId),
  position: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  quantity: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))),
  at: Schema.DateTimeUtcFromString
})

/**
 * @category models
 * @since 0.1.0
 */
export type Signal = typeof Signal.Type

/**
 * `duplicates` were recorded before; `limited` are past what is kept of one user's day.
 *
 * @category models
 * @since 0.1.0
 */
export const Recorded = Schema.Struct({ recorded: Schema.Int, duplicates: Schema.Int, limited: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export type Recorded = typeof Recorded.Type

/**
 * @category models
 * @since 0.1.0
 */
export const HistoryItem = Schema.Struct({
  productId: Schema.String,
  views: Schema.Int,
  viewedAt: Schema.DateTimeUtcFromString
})

/**
 * @category models
 * @since 0.1.0
 */
export type HistoryItem = typeof HistoryItem.Type

/** What each kind adds to a product's popularity. */
const weights: Readonly<Record<typeof SignalKind.Type, number>> = { view: 1, click: 2, cart: 5, purchase: 10 }

interface Outcome {
  readonly kept: number
}

/** As the commonest queries are counted: without case and surplus spaces. */
const normalised = (query: string): string =>
  query.trim().replaceAll(/\s+/g, " ").toLowerCase().slice(0, queryCharsMax).trim()

/**
 * @category services
 * @since 0.1.0
 */
export class UserBehaviors extends Context.Service<
  UserBehaviors,
  {
    /** Up to {@link batchMax} signals of one source, all or nothing, in the caller's transaction. */
    readonly record: (
      source: string,
      signals: ReadonlyArray<Signal>
    ) => Effect.Effect<Recorded, SqlError, Tenant>
    /** Counts queries that were searched for in an index, each search once. Returns how many are new. */
    readonly recordQueries: (
      source: string,
      indexName: IndexName,
      searches: ReadonlyArray<{ readonly id: string; readonly query: string }>
    ) => Effect.Effect<number, SqlError, Tenant>
    /** The products a user viewed or clicked, the latest first. */
    readonly history: (userKey: string) => Effect.Effect<ReadonlyArray<HistoryItem>, SqlError, Tenant>
    /** Removes a user's history and signals. Popularity keeps its sums, which name nobody. */
    readonly erase: (userKey: string) => Effect.Effect<{ readonly erased: number }, SqlError, Tenant>
    /** Signals that are recorded and not yet part of popularity. */
    readonly pending: Effect.Effect<number, SqlError, Tenant>
    /** Forgets ids past their window, allowances of past days and rare queries. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/search/UserBehaviors") {
  static readonly layer: Layer.Layer<UserBehaviors, never, SqlClient.SqlClient> = Layer.effect(
    UserBehaviors,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      /** The ids that are new. Sorted, so that two batches of the same signals cannot deadlock. */
      const remember = (tenantId: string, source: string, ids: ReadonlyArray<string>, moment: Date) => sql<{
        readonly key: string
      }>`
        INSERT INTO hm_user_behavior_signal_key AS k (tenant_id, source, key, expires_at)
        SELECT ${tenantId}, ${source}, i.key, ${new Date(moment.getTime() + dedupeDays * dayMillis)}
          FROM (SELECT DISTINCT key FROM unnest(${ids}::text[]) AS u (key) ORDER BY key) i
            ON CONFLICT (tenant_id, source, key) DO UPDATE SET expires_at = excluded.expires_at
                WHERE k.expires_at <= ${moment}
        RETURNING key
      `

      const insert = (
        tenantId: string,
        signals: ReadonlyArray<Signal & { readonly signalId: string }>,
        moment: Date
      ) =>
        sql<Outcome>`
        WITH given AS (
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
          SELECT ${tenantId}, ${dayOf(moment)}::text::date, g.user_key, g.product_id, g.used
            FROM (SELECT user_key, product_id, count(*)::int AS used FROM given WHERE is_bounded GROUP BY user_key, product_id
                   UNION ALL
                  SELECT user_key, '', count(*)::int FROM given WHERE is_bounded GROUP BY user_key) g
           ORDER BY g.user_key, g.product_id
              ON CONFLICT (tenant_id, day, user_key, product_id) DO UPDATE SET used = a.used + excluded.used
          RETURNING user_key, product_id, used),
        kept AS (
          SELECT g.*, NOT g.is_bounded
                      OR (u.used - g.user_count + g.of_user <= ${userDayLimits.counted}
                          AND p.used - g.product_count + g.of_product <= ${userDayLimits.countedPerProduct}) AS counted
            FROM given g
            LEFT JOIN used u ON u.user_key = g.user_key AND u.product_id = ''
            LEFT JOIN used p ON p.user_key = g.user_key AND p.product_id = g.product_id
           WHERE NOT g.is_bounded OR u.used - g.user_count + g.of_user <= ${userDayLimits.kept}),
        written AS (
          INSERT INTO hm_user_behavior_signal (tenant_id, signal_id, occurred_at, kind, user_key, product_id, query_id,
                                               position, quantity, counted, recorded_at)
          SELECT ${tenantId}, signal_id, occurred_at, kind, user_key, product_id, nullif(query_id, ''),
                 nullif(position, 0)::smallint, quantity, counted, ${moment}
            FROM kept),
        pending AS (
          INSERT INTO hm_search_popularity_pending (tenant_id, product_id, weight, occurred_at, recorded_at)
          SELECT ${tenantId}, product_id, weight, occurred_at, ${moment} FROM kept WHERE counted),
        viewed AS (
          INSERT INTO hm_browse_history AS h (tenant_id, user_key, product_id, viewed_at, views)
          SELECT ${tenantId}, user_key, product_id, max(occurred_at), count(*)::int
            FROM kept
           WHERE kind IN ('view', 'click')
           GROUP BY user_key, product_id
           ORDER BY user_key, product_id
              ON CONFLICT (tenant_id, user_key, product_id)
              DO UPDATE SET viewed_at = greatest(h.viewed_at, excluded.viewed_at), views = h.views + excluded.views)
        SELECT count(*)::int AS kept FROM kept
      `

      /** Histories stay short: the oldest go. */
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
        const moment = yield* now
        const fresh = new Set(
          (yield* remember(
            tenant.id,
            source,
            signals.map(({ id }) => id),
            moment
          )).map(({ key }) => key)
        )
        const accepted = signals.filter(({ id }) => fresh.delete(id))
        const duplicates = signals.length - accepted.length
        if (accepted.length === 0) return { recorded: 0, duplicates, limited: 0 }
        const identified = yield* Effect.forEach(accepted, (signal) =>
          Effect.map(nextId, (signalId) => ({ ...signal, signalId }))
        )
        const [row] = yield* insert(tenant.id, identified, moment)
        yield* trim(tenant.id, Array.from(new Set(accepted.map(({ userKey }) => userKey))))
        const recorded = row?.kept ?? 0
        return { recorded, duplicates, limited: accepted.length - recorded }
      })

      const record = Effect.fn("UserBehaviors.record")(
        (source: string, signals: ReadonlyArray<Signal>): Effect.Effect<Recorded, SqlError, Tenant> =>
          signals.length === 0
            ? Effect.succeed({ recorded: 0, duplicates: 0, limited: 0 })
            : transactionOf(sql)(recordIn(source, signals))
      )

      const recordQueriesIn = Effect.fnUntraced(function* (
        source: string,
        indexName: IndexName,
        searches: ReadonlyArray<{ readonly id: string; readonly query: string }>
      ) {
        const tenant = yield* Tenant
        const moment = yield* now
        const fresh = new Set(
          (yield* remember(
            tenant.id,
            source,
            searches.map(({ id }) => id),
            moment
          )).map(({ key }) => key)
        )
        const accepted = searches.filter(({ id }) => fresh.delete(id))
        const known = accepted.map(({ query }) => normalised(query)).filter((query) => query !== "")
        yield* sql`
          INSERT INTO hm_search_query AS q (tenant_id, index_name, query, searches, searched_at)
          SELECT ${tenant.id}, ${indexName}, u.query, count(*), ${moment}
            FROM unnest(${known}::text[]) AS u (query)
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
            DELETE FROM hm_user_behavior_signal WHERE tenant_id = ${tenant.id} AND user_key = ${userKey} RETURNING 1),
          history AS (
            DELETE FROM hm_browse_history WHERE tenant_id = ${tenant.id} AND user_key = ${userKey} RETURNING 1),
          allowance AS (
            DELETE FROM hm_search_user_allowance WHERE tenant_id = ${tenant.id} AND user_key = ${userKey} RETURNING 1)
          SELECT ((SELECT count(*) FROM signals) + (SELECT count(*) FROM history) + (SELECT count(*) FROM allowance))::int AS erased
        `
        return { erased: row?.erased ?? 0 }
      })

      const pending = Effect.gen(function* () {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly pending: number }>`
          SELECT count(*)::int AS pending FROM hm_search_popularity_pending WHERE tenant_id = ${tenant.id}
        `
        return row?.pending ?? 0
      }).pipe(Effect.withSpan("UserBehaviors.pending"))

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const moment = yield* now
        const keys = sql<{ readonly pruned: number }>`
          WITH pruned AS (
            DELETE FROM hm_user_behavior_signal_key
             WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM hm_user_behavior_signal_key WHERE expires_at <= ${moment} LIMIT ${pruneMax}
                        FOR UPDATE SKIP LOCKED))
            RETURNING 1)
          SELECT count(*)::int AS pruned FROM pruned
        `
        yield* keys.pipe(Effect.repeat({ until: ([row]) => (row?.pruned ?? 0) < pruneMax }))
        const allowances = sql<{ readonly pruned: number }>`
          WITH pruned AS (
            DELETE FROM hm_search_user_allowance
             WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM hm_search_user_allowance
                      WHERE day < (${moment}::timestamptz AT TIME ZONE 'UTC')::date - ${allowanceDays}::int4 LIMIT ${pruneMax}
                        FOR UPDATE SKIP LOCKED))
            RETURNING 1)
          SELECT count(*)::int AS pruned FROM pruned
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

      return UserBehaviors.of({ record, recordQueries, history, erase, pending, prune })
    })
  )
}
