/**
 * The receiver of `bench webhooks`, in a separate process. It takes everything, but on `/hanging`, which it never answers.
 * `GET /figures?path=...` shows what a path has received.
 */
import { createServer } from "node:http"

/** Requests of a path: when they ended, and how long after their event was published. */
interface Received {
  readonly arrivedAt: Array<number>
  readonly latencies: Array<number>
}

const received = new Map<string, Received>()

const of = (path: string): Received => {
  const existing = received.get(path)
  if (existing !== undefined) return existing
  const added: Received = { arrivedAt: [], latencies: [] }
  received.set(path, added)
  return added
}

/** The field of the event's data that has the time of publishing. */
const sentAt = /"sentAt":(\d+)/

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://receiver")
  if (url.pathname === "/figures") {
    const { arrivedAt, latencies } = of(url.searchParams.get("path") ?? "")
    response.setHeader("content-type", "application/json")
    response.end(
      JSON.stringify({
        count: arrivedAt.length,
        firstAt: arrivedAt[0] ?? 0,
        lastAt: arrivedAt.at(-1) ?? 0,
        latencies
      })
    )
    return
  }
  let body = ""
  request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
  request.once("end", () => {
    const now = performance.timeOrigin + performance.now()
    const { arrivedAt, latencies } = of(url.pathname)
    arrivedAt.push(now)
    const published = sentAt.exec(body)?.[1]
    if (published !== undefined) latencies.push(now - Number(published))
    if (url.pathname !== "/hanging") response.writeHead(204).end()
  })
})

server.listen(Number(process.env["BENCH_PORT"]), "127.0.0.1")
