/** The domain that `new-domain` writes, with each contract of core used or filled where a real domain would. */
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as Bucketing from "@hypermarket/core/Bucketing"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Check from "@hypermarket/core/Check"
import * as CommitCursor from "@hypermarket/core/CommitCursor"
import * as Condition from "@hypermarket/core/Condition"
import { RequestGuard } from "@hypermarket/core/Authorization"
import { Caller } from "@hypermarket/core/Credentials"
import * as Cron from "@hypermarket/core/Cron"
import * as Domain from "@hypermarket/core/Domain"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Endpoint from "@hypermarket/core/Endpoint"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as Handler from "@hypermarket/core/Handler"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import * as Overview from "@hypermarket/core/Overview"
import * as Pattern from "@hypermarket/core/Pattern"
import * as Policy from "@hypermarket/core/Policy"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as Region from "@hypermarket/core/Region"
import * as Row from "@hypermarket/core/Row"
import * as SemanticVersion from "@hypermarket/core/SemanticVersion"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Sse from "@hypermarket/core/Sse"
import * as Subscription from "@hypermarket/core/Subscription"
import { Tenant } from "@hypermarket/core/Tenant"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint } from "effect/http-api"
import { SqlClient } from "effect/sql"
import * as ParcelsDomain from "./src/ParcelsDomain.ts"
import { ParcelsItemId } from "./src/ParcelsItem.ts"
import { ParcelsItems } from "./src/ParcelsItems.ts"

export interface Parcel {
  readonly country: string
  readonly grams: number
  readonly sku: string
  readonly scanner: string
  readonly email: string
}

const isLight: Condition.Condition = {
  all: [
    { attribute: "grams", operator: "lt", value: 2_000 },
    { attribute: "country", operator: "in", values: ["DE", "AT"] }
  ]
}

const version = (text: string) => Result.getOrThrow(SemanticVersion.parse(text))

/** Returns how a parcel travels: what each pure contract decides of it. */
export const routeOf = (parcel: Parcel, day: string) => {
  const light = Result.getOrThrow(Condition.compile(isLight, {}))
  const fragile = Result.getOrThrow(Pattern.compile("^GLASS-"))
  const eu = Result.getOrThrow(Region.parse("EU"))
  return {
    isLight: light.test({ grams: parcel.grams, country: parcel.country }),
    isFragile: fragile.test(parcel.sku),
    needsCustoms: !Region.contains(eu, Result.getOrThrow(Region.parse(parcel.country)), day),
    hasOldScanner: SemanticVersion.compare(version(parcel.scanner), version("2.0.0")) < 0,
    mailbox: Result.getOrThrow(EmailAddress.parse(parcel.email)).base,
    carrier: Bucketing.choose([50, 50], Bucketing.bucket("murmur3", "carrier", parcel.sku))
  }
}

/** Returns the next collection at a depot, and the day of the books that it belongs to. */
export const collectionAfter = (instant: Date) => {
  const zone = Result.getOrThrow(CalendarTime.zone("Europe/Berlin"))
  const next = Result.getOrThrow(Cron.parse("0 17 * * 1-5")).next(instant, zone)
  const days = CalendarTime.periods(new Date("2026-01-01T00:00:00+01:00"), zone, "day")
  return next === undefined ? undefined : { next, day: days.containing(next) }
}

/** Hands a parcel over, where the rules of its region allow it. The entry names who did. */
export const handOver = Effect.fn("Parcels.handOver")(function* (parcelId: string, region: string) {
  const decision = yield* Policy.decideNow({ action: "parcel.handOver", region, attributes: {} })
  if (decision.effect === "deny") return decision.because
  yield* Audit.record({
    action: "parcel.handedOver",
    target: { type: "parcel", id: parcelId },
    after: { by: (yield* Actor.Actor).id }
  })
  return []
})

/** Follows the tenants' delivery windows. */
export const windows = <E, R>(revision: Effect.Effect<bigint, E, R>) =>
  LiveConfig.make({
    channel: "parcels.window",
    revision,
    read: (tenant, revision) => Effect.succeed(`${tenant} window ${revision}`),
    poll: "5 seconds",
    tenantsMax: 10
  })

/** Experiments of this domain that flags deliver. */
export const layerFeatures = Layer.succeed(FeatureSource, {
  features: (environment) =>
    Effect.map(Tenant, ({ id }) => [{ key: `${id}-${environment}`, definition: { defaultValue: true } }]),
  revision: Effect.succeed(1n)
})

const refuse = (reason: ProtocolRoute.Reason) => HttpServerResponse.jsonUnsafe({ reason }, { status: 400 })

/** A depot's scanner sends what it has read, compressed, with a key for its depot. */
export const scans = ProtocolRoute.make(
  {
    method: "POST",
    path: "/parcels-scanner/:depot/scans",
    key: ["x-api-key"],
    scope: "parcels:write",
    clientKeys: true,
    resource: { kind: "project", param: "depot" },
    body: { max: 1_000, inflatedMax: 10_000 },
    guard: "own",
    refuse
  },
  Effect.fnUntraced(function* ({ body, params }) {
    const { keyId } = yield* Caller
    const { address } = yield* Actor.Actor
    const { id } = yield* Tenant
    return HttpServerResponse.jsonUnsafe({
      tenant: id,
      depot: params["depot"] ?? "",
      key: keyId,
      address: address ?? "",
      bytes: body.length
    })
  })
)

/** A shop follows a parcel until it arrives. */
export const journey = (shutdown: Shutdown["Service"]) =>
  ProtocolRoute.make(
    {
      method: "GET",
      path: "/parcels-scanner/journey",
      key: ["bearer"],
      scope: "parcels:read",
      clientKeys: false,
      body: { max: 0, inflatedMax: 0 },
      guard: "database",
      stream: true,
      refuse
    },
    () =>
      Sse.respond(Stream.make({ id: "1", data: "packed" }, { id: "2", data: "delivered" }), {
        tenantMax: 10,
        credentialMax: 10
      }).pipe(
        Effect.provideService(Shutdown, shutdown),
        Effect.catchTag("TooManyStreams", () => Effect.succeed(refuse("limited")))
      )
  )

const trackingClaims = Schema.Struct({ itemId: Identifier.Uuid })

/** The link of a mail shows the parcel, without a key; with POST its recipient refuses it. */
export const links = Effect.map(ParcelsItems, (items) => {
  const options = {
    path: "/v1/parcels/links/:token",
    purpose: "parcels.link",
    claims: trackingClaims,
    bodyBytesMax: 100,
    refuse: (reason: TokenRoute.Reason) => HttpServerResponse.text(reason, { status: 404 })
  } as const
  const orMissing = <E, R>(self: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.catch(self, () => Effect.succeed(HttpServerResponse.text("no such parcel", { status: 404 })))
  const find = (itemId: string) => items.get(ParcelsItemId.make(itemId))
  return [
    TokenRoute.make({ ...options, method: "GET" }, ({ claims }) =>
      orMissing(Effect.map(find(claims.itemId), ({ name }) => HttpServerResponse.text(name)))
    ),
    TokenRoute.make({ ...options, method: "POST" }, ({ claims }) =>
      find(claims.itemId).pipe(
        Effect.flatMap(({ itemId, version }) => items.remove(itemId, version)),
        Effect.as(HttpServerResponse.text("refused")),
        orMissing
      )
    )
  ]
})

class DepotGroup extends Endpoint.publicGroup(
  "parcelsDepots",
  { title: "Depots", description: "Anybody may read when a depot is open." },
  HttpApiEndpoint.get("opening", "/v1/parcels/opening", { success: Schema.String }).annotate(
    RequestGuard,
    "own"
  )
) {}

class DepotApi extends HttpApi.make("depots").add(DepotGroup) {}

/** An endpoint without a key. */
export const layerDepots = HttpApiBuilder.layer(DepotApi).pipe(
  Layer.provide(
    HttpApiBuilder.group(DepotApi, "parcelsDepots", (handlers) =>
      handlers.handleAll({ opening: () => Effect.map(Actor.Actor, ({ id }) => `until 17:00, ${id}`) })
    )
  )
)

class ParcelRow extends Schema.Class<ParcelRow>("ParcelRow")({
  itemId: Identifier.Uuid,
  name: Schema.String
}) {}

/** Parcels in the order of their commits; the test adds the column `xid`. */
export const commits = CommitCursor.make({
  stream: "parcels.items",
  table: "hm_parcels_item",
  key: { column: "item_id", type: "uuid" },
  row: Row.make(ParcelRow, { itemId: Identifier.Uuid, name: Schema.String }, { uuid: ["itemId"] }),
  keptFor: "1 day"
})

const subjectData = {
  tables: ["hm_parcels_item"],
  discover: () => Effect.succeed([]),
  export: ({ id }: { readonly id: string }) =>
    Stream.unwrap(
      Effect.map(
        Effect.flatMap(ParcelsItems, (items) => Effect.orDie(items.list({}))),
        (page) =>
          Stream.fromIterable(page.items.filter(({ name }) => name === id)).pipe(
            Stream.map(({ name }) => ({ table: "hm_parcels_item", row: { name } }))
          )
      )
    ),
  erase: Effect.fnUntraced(function* ({ id }: { readonly id: string }) {
    const items = yield* ParcelsItems
    const page = yield* Effect.orDie(items.list({}))
    const found = page.items.filter(({ name }) => name === id)
    yield* Effect.orDie(Effect.forEach(found, ({ itemId, version }) => items.remove(itemId, version)))
    return { rows: found.length, kept: [] }
  }),
  eraseTenant: () => Effect.succeed({ rows: 0, kept: [] })
}

/** Facts that name a parcel without a name are rejected; the others are stored. */
const facts = Subscription.make({
  name: "parcels.fact",
  types: ["com.example.parcel.packed"],
  handler: Effect.fnUntraced(function* (events) {
    const items = yield* ParcelsItems
    const rejected: Array<Subscription.Rejection> = []
    for (const event of events) {
      if (event.subject === undefined) rejected.push(Subscription.reject(event, "no-name", []))
      else yield* items.create({ name: event.subject })
    }
    return rejected
  })
})

const { domain: made } = ParcelsDomain

/** The domain with every field of `Domain.make`. */
export const domain = Domain.make({
  name: made.name,
  tables: made.tables,
  migrations: made.migrations,
  layer: made.layer,
  services: made.services,
  settings: made.settings,
  partitions: [],
  jobs: [
    Job.scheduled({
      name: "parcels.sweep",
      every: "1 hour",
      run: Effect.asVoid(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 FROM hm_parcels_item`))
    })
  ],
  subscriptions: [facts],
  handlers: [Handler.make({ queue: "parcels.label", run: () => Effect.asVoid(ParcelsItems) })],
  checks: [Check.make("parcels", Effect.succeed([]))],
  alerts: Effect.succeed([]),
  timeline: () => Effect.succeed([]),
  lookup: (text) =>
    Effect.map(
      Effect.flatMap(ParcelsItems, (items) => Effect.orDie(items.list({}))),
      ({ items }) =>
        items
          .filter(({ name }) => name.startsWith(text))
          .map(({ itemId, name }) => new Overview.Match({ kind: "parcel", id: itemId, title: name }))
    ),
  subjectData
})
