import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createConnection } from "node:net"
import { gzipSync, zstdCompressSync } from "node:zlib"
import {
  baseUrl,
  envelopeOf,
  eventOf,
  issuesOf,
  layerServer,
  newEventId,
  post,
  projectOf
} from "./errorServer.ts"

const megabyte = 1024 * 1024
const goodClients = 100
const eventsPerClient = 5

/** Bodies of a few kilobytes that are much more once they are read. */
const bombs = (): ReadonlyArray<readonly [string, Uint8Array]> => [
  ["gzip", new Uint8Array(gzipSync(Buffer.alloc(101 * megabyte)))],
  ["zstd", new Uint8Array(zstdCompressSync(Buffer.alloc(300 * megabyte)))],
  ["gzip", new Uint8Array(gzipSync(`{}\n{"type":"event"}\n${"[".repeat(60 * megabyte)}`))],
  ["gzip", new Uint8Array(gzipSync(`{}\n{"type":"log"}\n[${"{},".repeat(20 * megabyte)}{}]`))],
  ["gzip", new Uint8Array(gzipSync("not an envelope ".repeat(megabyte)))]
]

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Beside hostile clients", (it) => {
  it.effect(
    "50 compressed bombs, broken envelopes and 64 slow senders: each event of 100 good clients is stored, within 500 MB of memory",
    () =>
      Effect.gen(function* () {
        const hostile = yield* projectOf("hostile")
        const good = yield* projectOf("good")
        const { host, hostname, port } = new URL(yield* baseUrl)
        const slow = yield* Effect.acquireRelease(
          Effect.sync(() =>
            Array.from({ length: 64 }, () => {
              const socket = createConnection({ host: hostname, port: Number(port) })
              socket.on("error", () => undefined)
              socket.write(
                `POST /sentry/api/${hostile.projectId}/envelope/?sentry_key=hostile_client_${hostile.projectId} HTTP/1.1\r\n` +
                  `host: ${host}\r\ncontent-length: 1000000\r\n\r\n{}\n`
              )
              return socket
            })
          ),
          (sockets) =>
            Effect.sync(() => {
              for (const socket of sockets) socket.destroy()
            })
        )
        const prepared = bombs()
        const before = process.resourceUsage().maxRSS
        const attack = Effect.forEach(
          Array.from({ length: 50 }, (_, index) => prepared[index % prepared.length]),
          (bomb) =>
            bomb === undefined
              ? Effect.void
              : post(hostile, bomb[1], { tenant: "hostile", headers: { "content-encoding": bomb[0] } }).pipe(
                  Effect.map(({ status }) => status),
                  // The connection of a refused body is closed, sometimes before the answer.
                  Effect.option,
                  Effect.tap((status) =>
                    Effect.sync(() => {
                      if (status._tag === "Some") assert.include([200, 400, 408, 413, 429], status.value)
                    })
                  )
                ),
          { concurrency: 10, discard: true }
        )
        const client = () =>
          Effect.forEach(
            Array.from({ length: eventsPerClient }),
            () =>
              Effect.gen(function* () {
                const event = eventOf({
                  functions: ["main", "checkout"],
                  event: { extra: { text: "x".repeat(9_000) } }
                })
                const body = envelopeOf({ event_id: newEventId() }, [{ type: "event" }, event])
                const { status, text } = yield* post(good, body, { tenant: "good" })
                assert.strictEqual(status, 200, text)
              }),
            { discard: true }
          )
        const clients = Effect.forEach(Array.from({ length: goodClients }), client, {
          concurrency: goodClients,
          discard: true
        })
        yield* Effect.all([attack, clients], { concurrency: 2, discard: true })
        const [issue] = yield* issuesOf("good")
        assert.strictEqual(issue?.eventCount, goodClients * eventsPerClient)
        assert.isEmpty(yield* issuesOf("hostile"))
        assert.lengthOf(slow, 64)
        // In kilobytes. The clients are in this process too.
        assert.isBelow(process.resourceUsage().maxRSS - before, 500 * 1024)
      }).pipe(Effect.scoped)
  )
})
