import { assert, layer } from "@effect/vitest"
import * as Sse from "@hypermarket/core/Sse"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider"
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk"
import { Effect, Schedule, Schema } from "effect"
import { HttpClient } from "effect/http"
import { EventSource } from "eventsource"
import { connect, createServer, type Server, type Socket } from "node:net"
import { flagOf } from "./exportedFlags.ts"
import { baseUrl, keyOf, layerServer, post } from "./flagServer.ts"

const Bulk = Schema.fromJsonString(
  Schema.Struct({
    eventStreams: Schema.Tuple([
      Schema.Struct({
        type: Schema.Literal("sse"),
        endpoint: Schema.Struct({ requestUri: Schema.String }),
        inactivityDelaySec: Schema.Int
      })
    ]),
    flags: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Json })),
    metadata: Schema.Struct({ revision: Schema.String })
  })
)
const decodeBulk = Schema.decodeUnknownEffect(Bulk, { onExcessProperty: "ignore" })

const all = Effect.fnUntraced(function* (key: string, context: { [name: string]: Schema.Json }, query = "") {
  // An answer names no stream when its token was not made in time, as on a busy machine.
  return yield* post(
    `/ofrep/v1/evaluate/flags${query}`,
    { context },
    { authorization: `Bearer ${key}` }
  ).pipe(
    Effect.flatMap(({ text }) => decodeBulk(text)),
    Effect.retry(Schedule.spaced("50 millis"))
  )
})

const until = <A>(read: () => A, holds: (value: A) => boolean) =>
  Effect.sync(read).pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }))

const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }

layer(layerServer, { excludeTestServices: true })("The stream of OFREP", (it) => {
  it.effect("tells OpenFeature's web provider of a change, unmodified, and it evaluates again", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("ofrep-web")
      const flags = yield* FeatureFlags
      yield* flags.create(flagOf("banner", {})).pipe(provide(tenantId))
      const key = yield* keyOf(tenantId, { kind: "client" })
      yield* Effect.acquireRelease(
        Effect.sync(() =>
          Object.defineProperty(globalThis, "EventSource", { value: EventSource, configurable: true })
        ),
        () => Effect.sync(() => Reflect.deleteProperty(globalThis, "EventSource"))
      )
      const url = yield* baseUrl
      const provider = new OFREPWebProvider({
        baseUrl: url,
        headers: [["Authorization", `Bearer ${key}`]],
        pollInterval: 0
      })
      yield* Effect.acquireRelease(
        // The released provider's types are not for exact optional properties.
        Effect.promise(() =>
          Reflect.apply(OpenFeature.setProviderAndWait, OpenFeature, [provider, { targetingKey: "u-1" }])
        ),
        () => Effect.promise(() => OpenFeature.clearProviders())
      )
      const client = OpenFeature.getClient()
      assert.isFalse(client.getBooleanValue("banner", true))
      const counts = yield* Sse.OpenStreams
      yield* until(
        () => counts.of(`tenant ${tenantId}`),
        (open) => open === 1
      )
      const changed = new Promise<void>((resolve) => {
        client.addHandler(ProviderEvents.ConfigurationChanged, () => {
          if (client.getBooleanValue("banner", false)) resolve()
        })
      })
      yield* flags.setEnvironment("banner", "live", 1, on).pipe(provide(tenantId))
      yield* Effect.promise(() => changed)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "ends at the newest revision at every reader after 200 changes, and leaves nothing when sockets die",
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("ofrep-many")
        const flags = yield* FeatureFlags
        yield* flags
          .create(
            flagOf(
              "counter",
              {},
              {
                kind: "number",
                variants: [
                  { name: "n", value: 0 },
                  { name: "off", value: -1 }
                ]
              }
            )
          )
          .pipe(provide(tenantId))
        const key = yield* keyOf(tenantId)
        const [{ endpoint }] = (yield* all(key, {})).eventStreams
        const address = `${yield* baseUrl}${endpoint.requestUri}`
        const last: Array<string> = []
        const sources = Array.from({ length: 60 }, (_, index) => {
          const source = new EventSource(address)
          source.addEventListener("message", ({ lastEventId }) => {
            last[index] = lastEventId
          })
          return source
        })
        const counts = yield* Sse.OpenStreams
        yield* until(
          () => counts.of(`tenant ${tenantId}`),
          (open) => open === 60
        )
        for (let index = 1; index <= 200; index++) {
          yield* flags
            .change("counter", index, {
              variants: [
                { name: "n", value: index },
                { name: "off", value: -index }
              ]
            })
            .pipe(provide(tenantId))
        }
        yield* until(
          () => last.filter((revision) => revision === "201").length,
          (readers) => readers === 60
        )
        const answer = yield* all(key, {}, "?flagConfigEtag=201")
        assert.deepStrictEqual(
          answer.flags.map(({ value }) => value),
          [-200]
        )
        assert.strictEqual(answer.metadata.revision, "201")
        for (const source of sources) source.close()
        yield* until(
          () => counts.of(`tenant ${tenantId}`),
          (open) => open === 0
        )
      })
  )

  it.effect("leads its readers to the newest revision after it was lost, without the changes between", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("ofrep-lost")
      const flags = yield* FeatureFlags
      yield* flags.create(flagOf("banner", {})).pipe(provide(tenantId))
      const [{ endpoint }] = (yield* all(yield* keyOf(tenantId), {})).eventStreams
      const target = new URL(`${yield* baseUrl}${endpoint.requestUri}`)
      const server = { host: target.hostname, port: Number(target.port) }
      const wires = new Set<Socket>()
      // A line between reader and server, which can be cut and held open again.
      const line = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const proxy = createServer((reader) => {
            const wire = connect(server)
            for (const socket of [reader, wire]) wires.add(socket.on("error", () => undefined))
            reader.pipe(wire).pipe(reader)
          })
          proxy.listen(0, "127.0.0.1", () => resume(Effect.succeed(proxy)))
        }),
        (proxy) =>
          Effect.sync(() => {
            proxy.close()
            for (const socket of wires) socket.destroy()
          })
      )
      const address = line.address()
      assert.isTrue(typeof address === "object" && address !== null)
      target.hostname = "127.0.0.1"
      target.port = String(typeof address === "object" ? address?.port : "")
      const seen: Array<string> = []
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const source = new EventSource(target)
          source.addEventListener("message", ({ lastEventId }) => seen.push(lastEventId))
          return source
        }),
        (source) => Effect.sync(() => source.close())
      )
      yield* until(
        () => seen.length,
        (count) => count > 0
      )
      const counts = yield* Sse.OpenStreams
      for (const socket of wires) socket.destroy()
      yield* until(
        () => counts.of(`tenant ${tenantId}`),
        (open) => open === 0
      )
      for (const version of [1, 2, 3, 4]) {
        const next = version % 2 === 1 ? on : { ...on, otherwise: { variant: "off" } }
        yield* flags.setEnvironment("banner", "live", version, next).pipe(provide(tenantId))
      }
      yield* until(
        () => seen.at(-1),
        (revision) => revision === "5"
      )
    }).pipe(Effect.scoped)
  )

  it.effect(
    "bears a token and no key, opens its own environment alone, and answers 401 to any other token",
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("ofrep-token")
        const key = yield* keyOf(tenantId)
        const [first, second, staging] = yield* Effect.all([
          all(key, {}),
          all(key, { targetingKey: "other" }),
          all(yield* keyOf(tenantId, { environment: "staging" }), {})
        ])
        const [{ endpoint }] = first.eventStreams
        assert.notInclude(endpoint.requestUri, key.split("_").at(-1) ?? key)
        // A provider keeps its connection while the URL is the same.
        assert.strictEqual(second.eventStreams[0].endpoint.requestUri, endpoint.requestUri)
        assert.notStrictEqual(staging.eventStreams[0].endpoint.requestUri, endpoint.requestUri)
        const forged = yield* HttpClient.get(`${endpoint.requestUri.slice(0, -2)}AA`)
        assert.strictEqual(forged.status, 401)
      })
  )
})
