/** An HTTP/1.1 client that writes bytes as a test wants them and reads whole answers. */
import { Effect } from "effect"
import * as Net from "node:net"

export interface RawAnswer {
  /** 0 when the connection ended without a byte. */
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface RawConnection {
  readonly write: (text: string | Uint8Array) => Effect.Effect<void>
  /** The next answer whose body has arrived; status 0 when the connection ends before it. */
  readonly answer: Effect.Effect<RawAnswer>
}

const none: RawAnswer = { status: 0, headers: new Map(), body: "" }

/** Splits the first answer off; undefined while it is incomplete. */
const take = (text: string): { readonly answer: RawAnswer; readonly rest: string } | undefined => {
  const headEnd = text.indexOf("\r\n\r\n")
  if (headEnd === -1) return undefined
  const [statusLine = "", ...lines] = text.slice(0, headEnd).split("\r\n")
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  )
  const bodyEnd = headEnd + 4 + Number(headers.get("content-length") ?? 0)
  if (text.length < bodyEnd) return undefined
  const answer = { status: Number(statusLine.split(" ")[1]), headers, body: text.slice(headEnd + 4, bodyEnd) }
  return { answer, rest: text.slice(bodyEnd) }
}

/** Opens a connection, closed with the scope. Refused connections answer with status 0. */
export const connect = (url: string) =>
  Effect.acquireRelease(
    Effect.callback<RawConnection & { readonly socket: Net.Socket }>((resume) => {
      const { hostname, port } = new URL(url)
      const socket = Net.connect({ host: hostname, port: Number(port) })
      let received = ""
      let isEnded = false
      let notify: () => void = () => undefined
      socket.setEncoding("latin1").on("data", (chunk: string) => {
        received += chunk
        notify()
      })
      const ended = () => {
        isEnded = true
        notify()
        resume(Effect.succeed(connection))
      }
      socket.on("error", ended)
      socket.on("close", ended)
      socket.on("end", ended)
      const connection = {
        socket,
        write: (text: string | Uint8Array) => Effect.sync(() => void socket.write(text)),
        answer: Effect.callback<RawAnswer>((resume) => {
          notify = () => {
            let taken = take(received)
            while (taken !== undefined && taken.answer.status === 100) {
              received = taken.rest
              taken = take(received)
            }
            if (taken !== undefined) {
              received = taken.rest
              resume(Effect.succeed(taken.answer))
            } else if (isEnded) resume(Effect.succeed(none))
          }
          notify()
        })
      }
      socket.on("connect", () => resume(Effect.succeed(connection)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** The head of a request, with a Host. */
export const head = (
  method: string,
  path: string,
  { host = "localhost", ...headers }: Readonly<Record<string, string | number>> = {}
): string =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`
