/**
 * A load generator for HTTP/1.1 that does little work itself: fixed request bytes on keep-alive sockets, each sending
 * the next request when the answer is whole. On two cores a heavier one would measure itself.
 */
import * as Effect from "effect/Effect"
import { connect, type Socket } from "node:net"

export interface Result {
  readonly requestsPerSecond: number
  readonly latenciesMillis: ReadonlyArray<number>
  /** Count of answers whose status was not 200. */
  readonly errors: number
}

const headEnd = "\r\n\r\n"
const lengthPattern = /content-length: (\d+)/i

/** One connection in its closed loop. Our server and the peer both send Content-Length. */
const converse = (
  socket: Socket,
  next: () => Buffer,
  isOver: () => boolean,
  record: (millis: number, ok: boolean) => void
) => {
  let pending = ""
  let sentAt = performance.now()
  const send = () => {
    sentAt = performance.now()
    socket.write(next())
  }
  socket.setNoDelay(true)
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    pending += chunk
    const head = pending.indexOf(headEnd)
    if (head === -1) return
    const length = Number(lengthPattern.exec(pending.slice(0, head))?.[1] ?? 0)
    if (pending.length < head + headEnd.length + length) return
    record(performance.now() - sentAt, pending.startsWith("HTTP/1.1 200"))
    pending = ""
    if (isOver()) socket.destroy()
    else send()
  })
  socket.on("error", () => record(performance.now() - sentAt, false))
  send()
}

export const run = (options: {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON texts to post, one a request in turn; without them it is a GET. */
  readonly bodies?: ReadonlyArray<string>
  readonly connections: number
  readonly millis: number
}): Effect.Effect<Result> =>
  Effect.callback((resume) => {
    const lines = Object.entries(options.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${options.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join("")}`
    const get = Buffer.from(`GET ${head}\r\n`)
    const posts = (options.bodies ?? []).map((body) =>
      Buffer.from(
        `POST ${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
      )
    )
    let sent = 0
    const next = () => posts[sent++ % posts.length] ?? get
    const startedAt = performance.now()
    const latenciesMillis: Array<number> = []
    let errors = 0
    let open = options.connections
    const isOver = () => performance.now() - startedAt >= options.millis
    for (let n = 0; n < options.connections; n++) {
      const socket = connect(options.port, "127.0.0.1", () =>
        converse(socket, next, isOver, (millis, ok) => {
          latenciesMillis.push(millis)
          if (!ok) errors++
        })
      )
      socket.on("close", () => {
        open--
        if (open > 0) return
        const seconds = (performance.now() - startedAt) / 1000
        resume(
          Effect.succeed({ requestsPerSecond: latenciesMillis.length / seconds, latenciesMillis, errors })
        )
      })
    }
  })
