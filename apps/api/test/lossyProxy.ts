/** A proxy that loses responses, in front of an API. */
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { once } from "node:events"
import { text } from "node:stream/consumers"

/** The fate of a request: it is passed on, carried out and then lost, or refused before the API sees it. */
export type Fate =
  | "pass"
  | "lose"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

export interface Sent {
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

export interface Proxy extends AsyncDisposable {
  readonly url: string
  /** The requests that arrived, in their order. */
  readonly sent: ReadonlyArray<Sent>
}

/** Starts a proxy with a fate for each request; those after the last pass. */
export const start = async (target: string, fates: ReadonlyArray<Fate>): Promise<Proxy> => {
  const sent: Array<Sent> = []
  const server = createServer(async (request, response) => {
    const fate = fates[sent.length] ?? "pass"
    sent.push({ path: request.url ?? "", headers: request.headers })
    const body = await text(request)
    if (typeof fate === "object") {
      response.writeHead(fate.status, fate.headers).end(fate.body ?? "")
      return
    }
    const { connection: _connection, "content-length": _length, host: _host, ...headers } = request.headers
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method ?? "GET",
      headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
      ...(body === "" ? {} : { body })
    })
    const answered = await answer.text()
    if (fate === "lose") {
      request.socket.destroy()
      return
    }
    response
      .writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" })
      .end(answered)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    sent,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
