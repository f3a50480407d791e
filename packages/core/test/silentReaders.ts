/**
 * A server of streams whose readers vanish without closing their connections, in a separate network: `unshare -rn` makes one
 * without privileges. The readers are another process. Prints memory and time.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Main from "@hypermarket/core/Main"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Sse from "@hypermarket/core/Sse"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Clock, Console, Effect, Layer, Schedule, Stream } from "effect"
import { HttpRouter } from "effect/http"
import { execFileSync, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { connect } from "node:net"
import v8 from "node:v8"
import vm from "node:vm"

const [role = "", countText = "", stayingText = ""] = process.argv.slice(2)
const count = Number(countText)
const staying = Number(stayingText)
const port = 8_080
/** The server's address, of which some readers are, and the address of those that vanish. */
const here = "10.9.9.1"
const there = "10.9.9.9"
const nowhere = "10.9.9.8"

const ip = (...args: ReadonlyArray<string>) => Effect.sync(() => execFileSync("ip", args))

/** Packets to the address are lost from now on: they go to a link whose other end does not have it. No host answers. */
const vanish = (address: string) =>
  Effect.gen(function* () {
    yield* ip("addr", "del", `${address}/32`, "dev", "lo")
    yield* ip("route", "add", `${address}/32`, "dev", "hole")
    yield* ip("neigh", "add", address, "lladdr", "02:00:00:00:00:09", "dev", "hole", "nud", "permanent")
  })

const network = Effect.gen(function* () {
  yield* ip("link", "set", "lo", "up")
  for (const address of [here, there, nowhere]) yield* ip("addr", "add", `${address}/32`, "dev", "lo")
  yield* ip("link", "add", "hole", "type", "veth", "peer", "name", "end")
  yield* ip("link", "set", "hole", "up")
  yield* ip("link", "set", "end", "up")
})

v8.setFlagsFromString("--expose-gc")
const collect: unknown = vm.runInNewContext("gc")

/** Memory in use, and resident: the least of some readings, each after a collection. */
const memory = Effect.gen(function* () {
  const least = { used: Infinity, resident: Infinity }
  for (let reading = 0; reading < 8; reading++) {
    if (typeof collect === "function") collect()
    const { external, heapUsed, rss } = process.memoryUsage()
    least.used = Math.min(least.used, (heapUsed + external) / 1_048_576)
    least.resident = Math.min(least.resident, rss / 1_048_576)
    yield* Effect.sleep("150 millis")
  }
  return least
})

/** Opens a stream until its first event has come. */
const open = (localAddress: string) =>
  Effect.callback<void, Error>((resume) => {
    const socket = connect({ host: here, port, localAddress })
    socket.once("error", (error) => resume(Effect.fail(error)))
    socket.once("data", () => resume(Effect.void)).resume()
    socket.write(`GET / HTTP/1.1\r\nhost: ${here}\r\n\r\n`)
  }).pipe(Effect.retry(Schedule.spaced("50 millis")))

/** Fewer at once than a listener keeps waiting. */
const opened = 50

const readers = Effect.forEach(
  Array.from({ length: count + staying }, (_, index) =>
    index < staying ? here : index % 2 === 0 ? there : nowhere
  ),
  open,
  { concurrency: opened, discard: true }
).pipe(Effect.andThen(Effect.never))

const route = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const shutdown = yield* Shutdown
    yield* router.add(
      "GET",
      "/",
      Sse.respond(Stream.concat(Stream.succeed({ data: "open" }), Stream.never), {
        tenantMax: 5_000,
        credentialMax: 5_000
      }).pipe(provide(TenantId.make("acme")), Effect.provideService(Shutdown, shutdown), Effect.orDie)
    )
  })
)

const server = Effect.gen(function* () {
  yield* network
  const counts = yield* Sse.OpenStreams
  const http = createServer()
  yield* Layer.build(
    HttpRouter.serve(route, { disableLogger: true }).pipe(
      Layer.provide(NodeHttpServer.layer(() => http, { port, host: here })),
      Layer.provide(Shutdown.layer)
    )
  )
  const connections = Effect.callback<number>(
    (resume) => void http.getConnections((_, open) => resume(Effect.succeed(open)))
  )
  const until = (open: number) =>
    Effect.sync(() => counts.of("tenant acme")).pipe(
      Effect.repeat({ until: (current) => current === open, schedule: Schedule.spaced("50 millis") })
    )
  const withReaders = Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [import.meta.filename, "readers", countText, stayingText], { stdio: "inherit" })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  // The first round closes its connections, so that the code is compiled and memory is what it is in use.
  yield* Effect.scoped(Effect.andThen(withReaders, until(count + staying)))
  yield* until(0)
  const none = yield* memory
  yield* withReaders
  yield* until(count + staying)
  const open = yield* memory
  // The first address is lost to the sender too: its kernel has no route to it, and sends nothing.
  yield* vanish(there)
  yield* ip("addr", "del", `${nowhere}/32`, "dev", "lo")
  const vanishedMillis = yield* Clock.currentTimeMillis
  yield* until(staying)
  const seconds = Math.round(((yield* Clock.currentTimeMillis) - vanishedMillis) / 1_000)
  const after = yield* memory
  const table = readFileSync("/proc/self/net/tcp", "utf8")
  const established = table
    .split("\n")
    .filter((row) => / 0109090A:1F90 [0-9A-F]{8}:[0-9A-F]{4} 01 /.test(row))
  yield* Console.log(
    JSON.stringify({
      connections: yield* connections,
      kernel: established.length,
      none,
      open,
      after,
      seconds
    })
  )
}).pipe(Effect.scoped)

Main.run(role === "readers" ? readers : server)
