/**
 * Handlers of the overview: every domain is asked at the same time, and a late or failing one is named and left out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as AccessScope from "./AccessScope.ts"
import { Caller } from "./Credentials.ts"
import * as Cursor from "./Cursor.ts"
import type { Base, Started } from "./Domain.ts"
import * as FailureText from "./FailureText.ts"
import type { Alert, TimelineItem } from "./Overview.ts"
import { type Missing, OverviewApi } from "./OverviewApi.ts"
import { OverviewLive } from "./OverviewLive.ts"
import * as Now from "./Now.ts"
import * as Page from "./Page.ts"
import * as Sse from "./Sse.ts"
import { AllTenants, Tenant } from "./Tenant.ts"

/**
 * The domains that contribute.
 *
 * @category services
 * @since 0.1.0
 */
export class Contributors extends Context.Service<Contributors, ReadonlyArray<Started>>()(
  "@hypermarket/core/OverviewHttp/Contributors"
) {}

/** A page shows what is there by then, rather than nothing. */
const domainDeadline = "800 millis"

interface Gathered<A> {
  readonly parts: ReadonlyArray<{ readonly domain: string; readonly items: ReadonlyArray<A> }>
  readonly missing: ReadonlyArray<typeof Missing.Type>
}

type Part<A> =
  | { readonly domain: string; readonly items: ReadonlyArray<A> }
  | { readonly domain: string; readonly reason: (typeof Missing.Type)["reason"] }

/** Asks each domain that contributes, and that the caller may read. */
const gather = Effect.fnUntraced(function* <A>(
  contributors: ReadonlyArray<Started>,
  sql: SqlClient.SqlClient,
  ask: (started: Started) => Effect.Effect<ReadonlyArray<A>, SqlError, Base> | undefined
) {
  const { keyId, scopes } = yield* Caller
  const tenant = yield* Tenant
  const base = Context.make(Tenant, tenant).pipe(
    Context.add(AllTenants, { actor: keyId }),
    Context.add(SqlClient.SqlClient, sql)
  )
  const parts = yield* Effect.forEach(
    contributors.flatMap((domain) => {
      const asked = ask(domain)
      return asked === undefined ? [] : [{ domain: domain.name, asked }]
    }),
    ({ asked, domain }): Effect.Effect<Part<A>> => {
      if (!AccessScope.includes(scopes, `${domain}:read`)) {
        return Effect.succeed({ domain, reason: "scope-missing" })
      }
      return asked.pipe(
        Effect.provideContext(base),
        Effect.timeoutOption(domainDeadline),
        Effect.map((items): Part<A> =>
          Option.isNone(items) ? { domain, reason: "late" } : { domain, items: items.value }
        ),
        Effect.catchCause((cause) =>
          Effect.as(
            Effect.logWarning(`The overview lacks the domain ${domain}: ${FailureText.reasonOf(cause)}`),
            { domain, reason: "failed" } as const
          )
        )
      )
    },
    { concurrency: "unbounded" }
  )
  const gathered: Gathered<A> = {
    parts: parts.flatMap((part) => ("items" in part ? [part] : [])),
    missing: parts.flatMap((part) => ("reason" in part ? [part] : []))
  }
  return gathered
})

/** Open streams of a tenant in one process. */
const streamsPerTenantMax = 200

/** Open streams of a key or session: one per tab of an operator. */
const streamsPerCredentialMax = 5

/** A stream whose key is revoked reports changes, without any data, for at most this time. */
const streamMillis = 300_000

const severities: ReadonlyArray<Alert["severity"]> = ["critical", "warning", "info"]

/** Critical before warning before info, the oldest first. An alert without a beginning is the oldest. */
const compareAlerts = (a: Alert, b: Alert): number =>
  severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
  (a.since === null ? 0 : DateTime.toEpochMillis(a.since)) -
    (b.since === null ? 0 : DateTime.toEpochMillis(b.since))

const Position = Schema.Struct({ atMillis: Schema.Int, domain: Schema.String, itemId: Schema.String })

const cursors = Cursor.make({ list: "core.timeline", key: Position })

/**
 * Where a domain goes on after a position of the merged list. Within one instant domains follow each other by name: those
 * before the position's have shown all that they have of it, and those after it nothing.
 */
const beforeOf = (position: typeof Position.Type | undefined, domain: string) => {
  if (position === undefined) return undefined
  if (domain === position.domain) return { at: new Date(position.atMillis), itemId: position.itemId }
  const millis = domain < position.domain ? position.atMillis : position.atMillis + 1
  return { at: new Date(millis), itemId: "" }
}

interface Placed {
  readonly domain: string
  readonly item: TimelineItem
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const comparePlaced = (a: Placed, b: Placed): number =>
  DateTime.toEpochMillis(b.item.at) - DateTime.toEpochMillis(a.item.at) ||
  compareText(a.domain, b.domain) ||
  compareText(b.item.itemId, a.item.itemId)

/**
 * The handlers. Requires the domains to ask, and the database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  OverviewApi,
  "overview",
  Effect.fn(function* (handlers) {
    const contributors = yield* Contributors
    const sql = yield* SqlClient.SqlClient
    const live = yield* OverviewLive
    const gathering = <A>(
      ask: (started: Started) => Effect.Effect<ReadonlyArray<A>, SqlError, Base> | undefined
    ) => gather(contributors, sql, ask)
    return handlers.handleAll({
      listAlerts: () =>
        Effect.map(
          gathering(({ alerts }) => alerts),
          ({ missing, parts }) => ({
            items: parts
              .flatMap(({ domain, items }) => items.map((alert) => ({ domain, alert })))
              .toSorted((a, b) => compareAlerts(a.alert, b.alert))
              .map(({ alert, domain }) => ({ domain, ...alert })),
            missing
          })
        ),
      getTimeline: Effect.fnUntraced(function* ({ params, query }) {
        const limit = query.limit ?? Page.limitDefault
        const position = query.cursor === undefined ? undefined : yield* cursors.decode(query.cursor)
        const { missing, parts } = yield* gathering(({ name, timeline }) =>
          timeline?.({ subject: params, before: beforeOf(position, name), limit: limit + 1 })
        )
        const placed = parts
          .flatMap(({ domain, items }) => items.map((item): Placed => ({ domain, item })))
          .toSorted(comparePlaced)
        const shown = placed.slice(0, limit)
        const last = shown.at(-1)
        return {
          items: shown.map(({ domain, item }) => ({ domain, ...item })),
          nextCursor:
            last === undefined || placed.length <= limit
              ? null
              : yield* cursors.encode({
                  atMillis: DateTime.toEpochMillis(last.item.at),
                  domain: last.domain,
                  itemId: last.item.itemId
                }),
          missing
        }
      }),
      watch: Effect.fnUntraced(function* ({ query }) {
        const now = yield* Now.now
        return yield* Sse.respond(live.events(new Set(query.topics.split(","))), {
          tenantMax: streamsPerTenantMax,
          credentialMax: streamsPerCredentialMax,
          // The reader connects again, and is asked again who it is.
          endsAt: new Date(now.getTime() + streamMillis)
        })
      }),
      find: ({ query }) =>
        Effect.map(
          gathering(({ lookup }) => lookup?.(query.q)),
          ({ missing, parts }) => ({
            items: parts.flatMap(({ domain, items }) => items.map((match) => ({ domain, ...match }))),
            missing
          })
        )
    })
  })
).pipe(Layer.provide(Layer.unwrap(Effect.map(Contributors, OverviewLive.layer))))
