/**
 * A domain as `pnpm new-domain parcels` writes it uses or fills each contract of core. Its package is in `parcels/`, where
 * the compiler checks it; what needs no Postgres is tested without one. Longer than 400 lines, since it meets every contract once.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { type Credential, Credentials } from "@hypermarket/core/Credentials"
import * as Domain from "@hypermarket/core/Domain"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as Limits from "@hypermarket/core/Limits"
import * as OutboundAddress from "@hypermarket/core/OutboundAddress"
import * as OutboundHttp from "@hypermarket/core/OutboundHttp"
import * as Problems from "@hypermarket/core/Problems"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as Secrets from "@hypermarket/core/Secrets"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as SignedToken from "@hypermarket/core/SignedToken"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as Skeleton from "@hypermarket/testing/Skeleton"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { TestAudit } from "@hypermarket/testing/TestAudit"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as TestPolicy from "@hypermarket/testing/TestPolicy"
import { Cause, ConfigProvider, Effect, Exit, Layer, Option, Redacted, Schedule, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import * as ParcelContracts from "./parcels/ParcelContracts.ts"
import { ParcelsApi } from "./parcels/src/ParcelsApi.ts"
import * as ParcelsDomain from "./parcels/src/ParcelsDomain.ts"
import * as ParcelsHttp from "./parcels/src/ParcelsHttp.ts"
import { ParcelsItems } from "./parcels/src/ParcelsItems.ts"

const acme = TenantId.make("acme")

/** The formatter moves white space, and what separates the last item of a list. */
const withoutFormat = (text: string): string => text.replaceAll(/\s+/g, "").replaceAll(/,(?=[)\]}])/g, "")

describe("The domain that new-domain writes", () => {
  it.effect("is the one of these tests: write parcels/ again after a change of the skeleton", () =>
    Effect.gen(function* () {
      const files = (yield* Skeleton.render("parcels")).filter(({ path }) =>
        /^src\/|^package\.json$/.test(path)
      )
      assert.isAbove(files.length, 8)
      for (const { path, text } of files) {
        const file = new URL(`parcels/${path}`, import.meta.url)
        assert.isTrue(existsSync(file), path)
        assert.strictEqual(withoutFormat(readFileSync(file, "utf8")), withoutFormat(text), path)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it("decides by Condition, Pattern, Region, SemanticVersion, EmailAddress and Bucketing", () => {
    const parcel = {
      country: "DE",
      grams: 500,
      sku: "GLASS-1",
      scanner: "2.0.0-rc.1",
      email: "Ann+Shop@example.com"
    }
    assert.deepStrictEqual(ParcelContracts.routeOf(parcel, "2026-11-28"), {
      isLight: "true",
      isFragile: true,
      needsCustoms: false,
      hasOldScanner: true,
      mailbox: "ann@example.com",
      carrier: ParcelContracts.routeOf({ ...parcel, grams: 9_000 }, "2026-11-28").carrier
    })
    assert.isTrue(ParcelContracts.routeOf({ ...parcel, country: "CH" }, "2026-11-28").needsCustoms)
  })

  it("plans by Cron, and counts by the days of CalendarTime", () => {
    const friday = ParcelContracts.collectionAfter(new Date("2026-10-23T18:00:00Z"))
    assert.strictEqual(friday?.next.toISOString(), "2026-10-26T16:00:00.000Z")
    assert.strictEqual(friday?.day.start.toISOString(), "2026-10-25T23:00:00.000Z")
  })

  it.effect("asks Policy, and records in Audit who the Actor is", () =>
    Effect.gen(function* () {
      const audit = yield* TestAudit
      const ann = { type: "user", id: "ann" } as const
      const handOver = (region: string) =>
        ParcelContracts.handOver("p1", region).pipe(provide(acme), Effect.provideService(Actor.Actor, ann))
      assert.deepStrictEqual(yield* handOver("FR"), ["closed"])
      assert.deepStrictEqual(yield* handOver("DE"), [])
      assert.deepStrictEqual(yield* audit.entries, [
        {
          action: "parcel.handedOver",
          target: { type: "parcel", id: "p1" },
          after: { by: "ann" },
          actor: ann,
          tenantId: "acme"
        }
      ])
    }).pipe(
      Effect.provide([
        TestAudit.layer,
        TestPolicy.layer(({ region }) => (region === "FR" ? { effect: "deny", because: ["closed"] } : {}))
      ])
    )
  )

  it.effect("follows its configuration with LiveConfig", () =>
    Effect.gen(function* () {
      const windows = yield* ParcelContracts.windows(Effect.succeed(7n))
      assert.strictEqual(yield* windows.ready(acme), "acme window 7")
    }).pipe(Effect.scoped, Effect.provide(Wakeup.layerSilent))
  )

  it.effect("fills FeatureSource", () =>
    Effect.gen(function* () {
      const source = yield* FeatureSource
      const features = yield* source.features("live").pipe(provide(acme))
      assert.deepStrictEqual(
        features.map(({ key }) => key),
        ["acme-live"]
      )
    }).pipe(Effect.provide(ParcelContracts.layerFeatures))
  )

  it.effect("sends to a stranger's URL through OutboundHttp, and to no address inside", () =>
    Effect.gen(function* () {
      const http = yield* OutboundHttp.OutboundHttp
      const refused = yield* Effect.flip(
        http.send({
          method: "POST",
          url: "https://carrier.example/labels",
          headers: {},
          deadline: "5 seconds",
          answerMax: 1_000
        })
      )
      assert.deepInclude(refused, { _tag: "OutboundRefused", reason: "address" })
    }).pipe(
      Effect.provide(
        OutboundHttp.OutboundHttp.layer.pipe(Layer.provide(OutboundAddress.OutboundAddress.layerAllowing([])))
      ),
      Effect.provideService(OutboundAddress.Resolver, () => Effect.succeed(["169.254.169.254"]))
    )
  )
})

const credential: Credential = {
  keyId: "scanner-7",
  kind: "client",
  tenantId: Option.some(acme),
  environment: "live",
  plan: Option.some("standard"),
  resource: Option.some({ kind: "project", id: "north" }),
  isTenantActive: true,
  scopes: new Set(["parcels:write", "parcels:read"])
}

const layerCredentials = Layer.succeed(Credentials, {
  authenticate: (secret) => {
    const text = Redacted.value(secret)
    if (text === "scanner") return Effect.succeedSome(credential)
    return text === "shop"
      ? Effect.succeedSome({ ...credential, kind: "server" as const, resource: Option.none() })
      : Effect.succeedNone
  }
})

const asked: Array<Limits.Request> = []

const layerLimits = Layer.succeed(Limits.Limits, {
  check: (request) =>
    Effect.sync(() => {
      asked.push(request)
      return Limits.allowed
    }),
  checkAddress: () => Limits.allowed
})

const layerRoutes = Layer.unwrap(
  Effect.map(Shutdown, (shutdown) =>
    ProtocolRoute.layer([ParcelContracts.scans, ParcelContracts.journey(shutdown)])
  )
)

const Scanner = ApiServer.layer(layerRoutes.pipe(Layer.provide(RequestChain.layer))).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials, layerLimits]),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

layer(Scanner, { excludeTestServices: true })("The protocol of a new domain", (it) => {
  const send = (depot: string, headers: Readonly<Record<string, string>>) =>
    HttpClient.execute(
      HttpClientRequest.post(`/parcels-scanner/${depot}/scans`).pipe(
        HttpClientRequest.bodyUint8Array(gzipSync(new Uint8Array(5_000))),
        HttpClientRequest.setHeaders({
          "content-encoding": "gzip",
          origin: "https://depot.example",
          ...headers
        })
      )
    )

  it.effect(
    "knows the key's Credential and resource, the ClientAddress, Limits, Cors and the BoundedBody",
    () =>
      Effect.gen(function* () {
        asked.length = 0
        const answer = yield* send("north", { "x-api-key": "scanner" })
        const [request] = asked
        assert.deepStrictEqual(yield* answer.json, {
          tenant: "acme",
          depot: "north",
          key: "scanner-7",
          address: request?.address.text ?? "",
          bytes: 5_000
        })
        assert.deepInclude(request, { tenantId: acme, keyId: "scanner-7", route: ParcelContracts.scans.path })
        assert.strictEqual(answer.headers["access-control-allow-origin"], "*")
        const elsewhere = yield* send("south", { "x-api-key": "scanner" })
        assert.deepStrictEqual(yield* elsewhere.json, { reason: "resource-refused" })
      })
  )

  it.effect("sends events with Sse to a key of a server, and ends them", () =>
    Effect.gen(function* () {
      const answer = yield* HttpClient.get("/parcels-scanner/journey", {
        headers: { authorization: "Bearer shop" }
      })
      assert.strictEqual(yield* answer.text, "id: 1\ndata: packed\n\nid: 2\ndata: delivered\n\n")
    })
  )
})

const keys = ConfigProvider.layer(
  ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: `k1:${randomBytes(32).toString("base64")}` })
)

const Services = ParcelsDomain.layer.pipe(
  Layer.provideMerge(SignedToken.SignedToken.layer),
  Layer.provideMerge(Secrets.Secrets.layer.pipe(Layer.provide(keys))),
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, ParcelsDomain.domain.migrations))
)

const TestServer = TestApi.layer(ParcelsApi, ParcelsHttp.layer).pipe(Layer.provideMerge(Services))

/** The routes without a key: links with a token, and a public group. */
const Public = ApiServer.layer(
  Layer.unwrap(Effect.map(ParcelContracts.links, TokenRoute.layer)).pipe(
    Layer.merge(ParcelContracts.layerDepots),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials]),
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(Services)
)

layer(Public, { excludeTestServices: true })("The links and the public group of a new domain", (it) => {
  const [owner, stranger] = [TenantId.make("links-owner"), TenantId.make("links-stranger")]

  const sent = Effect.gen(function* () {
    const items = yield* ParcelsItems
    const name = `parcel-${crypto.randomUUID()}`
    const { itemId } = yield* items.create({ name }).pipe(provide(owner))
    const read = Effect.exit(items.get(itemId).pipe(provide(owner)))
    return { owner, stranger, claims: { itemId }, shown: name, read: Effect.map(read, Exit.isSuccess) }
  })

  TenantIsolation.tokens(it, ParcelContracts.links, {
    "GET /v1/parcels/links/:token": sent,
    "POST /v1/parcels/links/:token": Effect.map(sent, ({ shown: _shown, ...seeded }) => seeded)
  })

  it.effect("answers an endpoint of PublicAccess without a key", () =>
    Effect.gen(function* () {
      const answer = yield* HttpClient.get("/v1/parcels/opening")
      assert.deepStrictEqual([answer.status, yield* answer.json], [200, "until 17:00, anonymous"])
    })
  )
})

let seeds = 0

const seed = Effect.gen(function* () {
  const items = yield* ParcelsItems
  const owner = `owner-${seeds++}`
  const item = yield* items.create({ name: "the owner's" }).pipe(provide(TenantId.make(owner)))
  return {
    ownerKey: owner,
    strangerKey: "stranger",
    params: { itemId: item.itemId },
    payloads: { create: { name: "new" } },
    watched: [`/v1/parcels/items/${item.itemId}`]
  }
})

layer(TestServer, { excludeTestServices: true })("A new domain on Postgres", (it) => {
  it.effect("is walked through the Promise door, method by method", () =>
    Effect.gen(function* () {
      const methods = yield* DoorIsolation.walk({ domain: ParcelContracts.domain, seed })
      assert.deepStrictEqual(
        methods,
        ["create", "get", "list", "remove"].map((method) => `parcelsItems.${method}`)
      )
    })
  )

  it.effect("fails that walk when a refusal depends on another tenant's rows", () =>
    Effect.gen(function* () {
      const { domain } = ParcelsDomain
      const leaking = Layer.effect(
        ParcelsItems,
        Effect.gen(function* () {
          const items = yield* ParcelsItems
          const sql = yield* SqlClient.SqlClient
          return ParcelsItems.of({
            ...items,
            get: Effect.fnUntraced(function* (itemId) {
              const rows = yield* sql`
                SELECT 1
                  FROM hm_parcels_item
                 WHERE item_id = ${itemId}::uuid
              `
              return yield* items
                .get(itemId)
                .pipe(
                  Effect.catchTag("ParcelsItemNotFound", (error) =>
                    rows.length === 0 ? Effect.fail(error) : Effect.die(new Error("That item is not yours"))
                  )
                )
            })
          })
        })
      ).pipe(Layer.provide(ParcelsDomain.layer))
      const broken = Domain.make({
        name: domain.name,
        tables: domain.tables,
        migrations: domain.migrations,
        layer: leaking,
        services: domain.services
      })
      const exit = yield* Effect.exit(DoorIsolation.walk({ domain: broken, seed }))
      assert.isTrue(Exit.isFailure(exit))
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /parcelsItems\.get\(.*not yo/s)
    })
  )

  it.effect("keeps Secrets, and signs a SignedToken that names its tenant", () =>
    Effect.gen(function* () {
      const secrets = yield* Secrets.Secrets
      const tokens = yield* SignedToken.SignedToken
      const sealed = yield* secrets.seal("hm_parcels_item.code", Redacted.make("4711")).pipe(provide(acme))
      const code = yield* secrets.open("hm_parcels_item.code", sealed).pipe(provide(acme))
      assert.strictEqual(Redacted.value(code), "4711")
      const token = yield* tokens
        .make({ purpose: "parcels.pickup", claims: { parcel: "p1" }, expiresIn: "1 day" })
        .pipe(provide(acme))
      assert.deepInclude(yield* tokens.read("parcels.pickup", token), {
        tenant: acme,
        claims: { parcel: "p1" }
      })
    })
  )

  it.effect("streams its rows by CommitCursor", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* ParcelsItems
      yield* sql`ALTER TABLE hm_parcels_item ADD COLUMN IF NOT EXISTS xid xid8 NOT NULL DEFAULT pg_current_xact_id()`
      const start = yield* ParcelContracts.commits.end
      yield* items.create({ name: "streamed" })
      const { items: read } = yield* ParcelContracts.commits
        .after(start, 10)
        .pipe(
          Effect.repeat({ until: (batch) => batch.items.length > 0, schedule: Schedule.spaced("20 millis") })
        )
      assert.deepStrictEqual(
        read.map(({ row }) => row.name),
        ["streamed"]
      )
    }).pipe(provide(TenantId.make("streams")))
  )

  it.effect(
    "is started with every field of Domain.make: SubjectData, Overview, jobs, handlers, Rejected",
    () =>
      Effect.gen(function* () {
        const items = yield* ParcelsItems
        const started = yield* ParcelContracts.domain.start
        const [facts] = started.subscriptions
        const event = {
          id: "1",
          source: "/shop",
          type: "com.example.parcel.packed",
          time: new Date(0),
          data: null
        }
        const rejected = yield* facts?.handler([{ ...event, subject: "ann" }, event]) ?? Effect.succeed([])
        assert.deepStrictEqual(
          (rejected ?? []).map((rejection) => [rejection.event, rejection.rejected.reason]),
          [[event, "no-name"]]
        )
        const [match] = yield* started.lookup?.("an") ?? Effect.succeed([])
        assert.deepInclude(match, { kind: "parcel", title: "ann" })
        assert.deepStrictEqual([started.jobs.length, started.handlers.length], [1, 1])
        const subject = { kind: "customer", id: "ann", identifiers: [] } as const
        const { subjectData } = started
        if (subjectData === undefined) return assert.fail("no subject data")
        assert.deepStrictEqual(yield* Stream.runCollect(subjectData.export(subject)), [
          { table: "hm_parcels_item", row: { name: "ann" } }
        ])
        assert.deepInclude(yield* subjectData.erase(subject), { rows: 1 })
        assert.deepStrictEqual((yield* items.list({})).items, [])
      }).pipe(
        provide(TenantId.make("subjects")),
        Effect.provideService(AllTenants, { actor: "test" }),
        Effect.scoped
      )
  )
})
