/**
 * Problem documents for requests that Node refuses before any route sees them: with a request id, and counted.
 */
import * as Problems from "@hypermarket/core/Problems"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

const counter = Metric.counter("hm_api_refused_heads_total", {
  description: "Requests refused before a route saw them, by status",
  incremental: true
})

const problemOf = (code: string | undefined): Problems.Problem => {
  if (code === "HPE_HEADER_OVERFLOW") return Problems.headTooLarge
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? Problems.requestTimeout : Problems.badRequest
}

const headersOf = () => ({
  "content-type": "application/problem+json",
  "x-request-id": crypto.randomUUID(),
  connection: "close"
})

const count = (problem: Problems.Problem) =>
  Metric.withAttributes(counter, { status: String(problem.status) }).updateUnsafe(1, Context.empty())

/** Sends a problem document for what the parser refuses and expectations that cannot be met. */
export const answer = (node: Server): void => {
  const responses = new WeakMap<Socket, ServerResponse>()
  node.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    responses.set(socket, response)
  })
  node.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const response = responses.get(socket)
    // A second head in the middle of an answer would be read as a part of it.
    const isAnswering = response !== undefined && response.headersSent && !response.writableFinished
    if (error.code === "ECONNRESET" || !socket.writable || isAnswering) return void socket.destroy()
    const problem = problemOf(error.code)
    count(problem)
    const body = JSON.stringify(problem)
    const head = Object.entries({ ...headersOf(), "content-length": Buffer.byteLength(body) })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")
    socket.write(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${head}\r\n${body}`)
    socket.destroySoon()
  })
  node.on("checkExpectation", (_request: IncomingMessage, response: ServerResponse) => {
    count(Problems.expectationFailed)
    const body = JSON.stringify(Problems.expectationFailed)
    response.writeHead(Problems.expectationFailed.status, {
      ...headersOf(),
      "content-length": Buffer.byteLength(body)
    })
    response.end(body)
  })
}
