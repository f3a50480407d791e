/**
 * The good clients of `bench errors`, in a separate process: events as `@sentry/node` sends them, chunked, and in gzip above
 * 32 KiB. Without a rate each connection sends its next event when the last is answered. With one, events are due at
 * exponential intervals, and a latency begins when its event was due.
 */
import { connect, type Socket } from "node:net"
import { setInterval, setTimeout } from "node:timers"
import { gzipSync } from "node:zlib"

interface Settings {
  readonly port: number
  readonly path: string
  /** Bytes of an event's JSON. */
  readonly bytes: number
  /** Different faults. The nth is sent 1/n times as often as the first. */
  readonly faults: number
  readonly connections: number
  readonly millis: number
  /** The first event is sent at this time, in milliseconds since 1970: the start of a client process is no load. */
  readonly beginsAt: number
  /** Events per second. */
  readonly rate?: number
}

const settings = JSON.parse(process.env["BENCH_SETTINGS"] ?? "{}") as Settings
/** SDKs compress from here on. */
const gzipBytesMin = 32 * 1024

const letters = (n: number): string =>
  (n >= 26 ? letters(Math.floor(n / 26) - 1) : "") + String.fromCharCode(97 + (n % 26))

const frameOf = (name: string, line: number, inApp: boolean) => ({
  function: name,
  filename: inApp ? "/app/src/checkout/basket.js" : "/app/node_modules/router/index.js",
  lineno: line,
  colno: 17,
  in_app: inApp,
  pre_context: ["  const lines = order.lines ?? []", "  for (const line of lines) {"],
  context_line: `    total += price(line, ${line})`,
  post_context: ["  }", "  return total"]
})

/** An event without its id and opening brace, filled with breadcrumbs up to its size. */
const restOf = (fault: number): string => {
  const frames = [
    ...Array.from({ length: 8 }, (_, n) => frameOf(`handle${letters(n)}`, 100 + n, false)),
    ...Array.from({ length: 3 }, (_, n) => frameOf(`step${letters(n)}`, 20 + n, true)),
    frameOf(`checkout${letters(fault)}`, 7, true)
  ]
  const event = {
    platform: "node",
    level: "error",
    environment: "production",
    release: `shop@2.${fault % 5}.0`,
    server_name: "shop-7",
    user: { id: `customer-${fault % 997}` },
    tags: { order_id: `o-${fault}`, region: "eu-west" },
    contexts: { runtime: { name: "node", version: "24.1.0" }, os: { name: "Linux" } },
    request: { url: "https://shop.example/checkout?step=pay", method: "POST", headers: { accept: "*/*" } },
    exception: { values: [{ type: "TypeError", value: "x is not a function", stacktrace: { frames } }] },
    breadcrumbs: [] as Array<object>
  }
  let crumbs = 0
  const size = () => JSON.stringify(event).length + 60
  let bytes = size()
  while (bytes < settings.bytes) {
    const crumb = {
      timestamp: 1_790_000_000.25 + crumbs,
      category: crumbs % 3 === 0 ? "http" : "console",
      level: "info",
      message: `Read ${((crumbs + fault) * 7_919) % 1_000} rows of basket ${letters(crumbs * 31 + fault)} in ${(crumbs * 13) % 97} ms`,
      data: { url: `https://stock.example/items/${(crumbs + 3) * 104_729}`, status_code: 200 + (crumbs % 4) }
    }
    event.breadcrumbs.push(crumb)
    bytes += JSON.stringify(crumb).length + 1
    crumbs++
    // SDKs keep 100 breadcrumbs. What is left is in a local variable of a frame.
    if (crumbs === 100) {
      const text = JSON.stringify(event.breadcrumbs).replaceAll('"', "'")
      const left = settings.bytes - size()
      if (left > 0) {
        Object.assign(event.exception.values[0]?.stacktrace.frames.at(-1) ?? {}, {
          vars: Object.fromEntries(
            Array.from({ length: Math.ceil(left / 1_000) }, (_, n) => [
              `line${n}`,
              text.slice(n * 211, n * 211 + Math.min(1_000, left - n * 1_000))
            ])
          )
        })
      }
      break
    }
  }
  return `${JSON.stringify(event).slice(1)}\n`
}

const isCompressed = settings.bytes >= gzipBytesMin
/** Bodies differ in their ids alone, so the rest is compressed once: gzip allows a body in several members. */
const rests = Array.from({ length: settings.faults }, (_, fault) => {
  const bytes = Buffer.from(restOf(fault))
  return isCompressed ? gzipSync(bytes) : bytes
})

const weights: Array<number> = []
let weight = 0
for (let n = 1; n <= settings.faults; n++) weights.push((weight += 1 / n))
const faultOf = (): number => {
  const at = Math.random() * weight
  const found = weights.findIndex((bound) => bound > at)
  return found < 0 ? 0 : found
}

const head = Buffer.from(
  `POST ${settings.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${isCompressed ? "content-encoding: gzip\r\n" : ""}transfer-encoding: chunked\r\n\r\n`
)
const run = process.pid.toString(16).padStart(8, "0").slice(-8)
let events = 0

const requestOf = (): Buffer => {
  const id = run + (++events).toString(16).padStart(24, "0")
  const text = `{"event_id":"${id}","sdk":{"name":"sentry.javascript.node"}}\n{"type":"event"}\n{"event_id":"${id}",`
  const start = isCompressed ? gzipSync(text) : Buffer.from(text)
  const rest = rests[faultOf()] ?? Buffer.alloc(0)
  return Buffer.concat([
    head,
    Buffer.from(`${(start.length + rest.length).toString(16)}\r\n`),
    start,
    rest,
    Buffer.from("\r\n0\r\n\r\n")
  ])
}

const latencies: Array<number> = []
const statuses: Record<string, number> = {}
const startedAt = Math.max(performance.now(), settings.beginsAt - performance.timeOrigin)
const endsAt = startedAt + settings.millis
const isOver = () => performance.now() >= endsAt

interface Lane {
  readonly send: (dueAt: number) => void
  readonly close: () => void
}

const idle: Array<Lane> = []
const due: Array<number> = []
let open = settings.connections

const finish = () => {
  if (--open > 0) return
  const millis = performance.now() - startedAt
  process.stdout.write(JSON.stringify({ millis, statuses, latencies }))
}

const lengthPattern = /content-length: (\d+)/i

const converse = (socket: Socket): void => {
  let pending = ""
  let dueAt = 0
  const send = (at: number) => {
    dueAt = at
    socket.write(requestOf())
  }
  const lane: Lane = { send, close: () => void socket.destroy() }
  const next = () => {
    const waiting = settings.rate === undefined && !isOver() ? performance.now() : due.shift()
    if (waiting !== undefined) send(waiting)
    else if (isOver()) lane.close()
    else idle.push(lane)
  }
  socket.setNoDelay(true)
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    pending += chunk
    const end = pending.indexOf("\r\n\r\n")
    if (end < 0) return
    const length = Number(lengthPattern.exec(pending.slice(0, end))?.[1] ?? 0)
    if (pending.length < end + 4 + length) return
    const status = pending.slice(9, 12)
    statuses[status] = (statuses[status] ?? 0) + 1
    latencies.push(performance.now() - dueAt)
    pending = ""
    next()
  })
  socket.on("error", () => (statuses["closed"] = (statuses["closed"] ?? 0) + 1))
  socket.on("close", finish)
  setTimeout(next, startedAt - performance.now())
}

for (let n = 0; n < settings.connections; n++) {
  const socket = connect(settings.port, "127.0.0.1", () => converse(socket))
}

const { rate } = settings
if (rate !== undefined) {
  let nextAt = startedAt
  const pump = setInterval(() => {
    const now = performance.now()
    for (; nextAt <= Math.min(now, endsAt); nextAt += (-Math.log(1 - Math.random()) * 1_000) / rate) {
      const lane = idle.shift()
      if (lane === undefined) due.push(nextAt)
      else lane.send(nextAt)
    }
    if (now < endsAt) return
    clearInterval(pump)
    // The others close when their last event is answered.
    for (const lane of idle) lane.close()
  }, 1)
}
