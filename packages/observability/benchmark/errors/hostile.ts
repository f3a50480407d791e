/**
 * The hostile clients of `bench errors`, in a separate process: compressed bombs and broken envelopes, ten at a time from the
 * start, and senders of a byte per second, of which 64 are always there.
 */
import { readFileSync } from "node:fs"
import * as Http from "node:http"
import { connect } from "node:net"
import { setInterval, setTimeout } from "node:timers"

interface Settings {
  readonly port: number
  readonly path: string
  readonly millis: number
  /** They begin at this time, in milliseconds since 1970. */
  readonly beginsAt: number
  readonly slow: number
  readonly atOnce: number
  /** Bodies by coding, as files. */
  readonly bombs: ReadonlyArray<{ readonly coding: string; readonly file: string }>
  readonly count: number
}

const settings = JSON.parse(process.env["BENCH_SETTINGS"] ?? "{}") as Settings
const bombs = settings.bombs.map(({ coding, file }) => ({ coding, body: readFileSync(file) }))
const broken = [
  "",
  "not json\n{}",
  "{}\nnot json\n{}",
  '{}\n{"type":"attachment","length":99}\nshort',
  `{}\n${'{"type":"session"}\n{}\n'.repeat(1_001)}`
].map((text) => ({ coding: "identity", body: Buffer.from(text) }))

await new Promise((resolve) => {
  setTimeout(resolve, settings.beginsAt - performance.timeOrigin - performance.now())
})
const endsAt = performance.now() + settings.millis
const statuses: Record<string, number> = {}
const noted = (status: string) => {
  statuses[status] = (statuses[status] ?? 0) + 1
}

const agent = new Http.Agent({ keepAlive: true, maxSockets: settings.atOnce })

const post = ({ body, coding }: { readonly coding: string; readonly body: Buffer }) =>
  new Promise<void>((resolve) => {
    const request = Http.request(
      {
        agent,
        host: "127.0.0.1",
        port: settings.port,
        path: settings.path,
        method: "POST",
        headers: { "content-encoding": coding, "content-length": body.length }
      },
      (response) => {
        noted(String(response.statusCode))
        response.resume().once("close", resolve).once("error", resolve)
      }
    )
    // The connection of a refused body is closed, sometimes before the answer.
    request.once("error", () => {
      noted("closed")
      resolve()
    })
    request.end(body)
  })

const dribble = () => {
  const socket = connect(settings.port, "127.0.0.1", () => {
    socket.write(`POST ${settings.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000000\r\n\r\n{}\n`)
  })
  const drop = setInterval(() => socket.write(" "), 1_000)
  socket.on("error", () => undefined)
  socket.resume().on("close", () => {
    clearInterval(drop)
    if (performance.now() < endsAt) dribble()
  })
  setTimeout(() => socket.destroy(), endsAt - performance.now())
}

for (let n = 0; n < settings.slow; n++) dribble()

const bodies = Array.from({ length: settings.count }, (_, n) => [
  bombs[n % bombs.length],
  broken[n % broken.length]
])
  .flat()
  .filter((body) => body !== undefined)
let next = 0
const lane = async () => {
  for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) await post(body)
}
await Promise.all(Array.from({ length: settings.atOnce }, lane))
agent.destroy()
process.stdout.write(JSON.stringify({ statuses }))
