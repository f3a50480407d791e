/**
 * One HTTP request to a URL that a row names, behind `OutboundAddress`: no redirects, a bounded answer, one deadline from
 * the look-up to the last byte.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import { type AddressRefused, type ConnectFailed, OutboundAddress } from "./OutboundAddress.ts"

/**
 * The request is refused before anything is sent. `field` names the part of the request, `reason` is for a log or a test:
 * `address` is the same for every refused address, so that a tenant does not map a network with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutboundRefused extends Schema.TaggedError<OutboundRefused>()("OutboundRefused", {
  field: Schema.Literals(["url", "method", "headers", "body", "answerMax"]),
  reason: Schema.Literals([
    "malformed",
    "too_long",
    "userinfo",
    "scheme",
    "port",
    "address",
    "header_name",
    "header_value",
    "header_reserved"
  ]),
  message: Schema.String
}) {}

/**
 * The request was tried and has no answer. With `isSent` the receiver may have read it.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutboundFailed extends Schema.TaggedError<OutboundFailed>()("OutboundFailed", {
  reason: Schema.Literals(["resolve", "connect", "tls", "timeout", "answer"]),
  isSent: Schema.Boolean,
  /** The system's code, such as ECONNREFUSED or CERT_HAS_EXPIRED. */
  code: Schema.optionalKey(Schema.String)
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export interface OutboundRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** `https:`; `http:` only to an address and port of `HM_OUTBOUND_ALLOW`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** From the look-up to the last byte of the answer. */
  readonly deadline: Duration.Input
  /** Bytes of the answer's body that are kept. The connection is closed at the next. */
  readonly answerMax: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface OutboundAnswer {
  readonly status: number
  /** Names in lower case; values of a repeated name are joined by a comma and a space. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** True when the body was longer than `answerMax`. */
  readonly truncated: boolean
}

/**
 * @category limits
 * @since 0.1.0
 */
export const urlLengthMax = 2_048

/**
 * @category limits
 * @since 0.1.0
 */
export const headersMax = 64

/**
 * Bytes of a header's value.
 *
 * @category limits
 * @since 0.1.0
 */
export const headerValueBytesMax = 8_192

/** Bytes of the answer's head. Node fails the answer beyond it. */
const answerHeadBytesMax = 16_384

/** Ports of public addresses. Any other port, and plain HTTP, needs an entry in `HM_OUTBOUND_ALLOW`. */
const publicPorts = new Set([443, 8_443])

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

/** RFC 9110, 5.6.2: a token. */
const headerNamePattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** Visible ASCII, space and tab: a receiver may read any other byte as the end of a line. */
const headerValuePattern = /^[\t\x20-\x7e]*$/
/** A URL's parser drops tabs and line ends silently, so they are looked for before. */
const urlPattern = /^https?:\/\/[^\s\\/?#\p{Cc}][^\s\\\p{Cc}]*$/iu

/** These frame the message or choose who reads it: this module writes them. */
const reservedHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

const refused = (field: OutboundRefused["field"], reason: OutboundRefused["reason"], message: string) =>
  new OutboundRefused({ field, reason, message })

const portOf = (url: URL): number =>
  url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)

const parseUrl = (text: string): Result.Result<URL, OutboundRefused> => {
  if (text.length > urlLengthMax) {
    return Result.fail(refused("url", "too_long", `Shorten the URL to ${urlLengthMax} characters`))
  }
  const url = urlPattern.test(text) ? URL.parse(text) : null
  if (url === null) {
    return Result.fail(
      refused("url", "malformed", "Give an absolute https URL without spaces or backslashes")
    )
  }
  if (url.username !== "" || url.password !== "" || /^https?:\/\/[^/?#]*@/i.test(text)) {
    return Result.fail(refused("url", "userinfo", "Remove the user name and password from the URL"))
  }
  return Result.succeed(url)
}

const headerRefusal = (headers: Readonly<Record<string, string>>): OutboundRefused | undefined => {
  const entries = Object.entries(headers)
  if (entries.length > headersMax) {
    return refused("headers", "too_long", `Send at most ${headersMax} headers`)
  }
  for (const [name, value] of entries) {
    if (!headerNamePattern.test(name)) {
      return refused("headers", "header_name", `${JSON.stringify(name)} is not the name of a header`)
    }
    if (reservedHeaders.has(name.toLowerCase())) {
      return refused("headers", "header_reserved", `Remove ${name}: it is set with the request`)
    }
    if (!headerValuePattern.test(value) || value.length > headerValueBytesMax) {
      return refused(
        "headers",
        "header_value",
        `Give ${name} at most ${headerValueBytesMax} printable ASCII characters`
      )
    }
  }
  return undefined
}

const requestRefusal = (request: OutboundRequest): OutboundRefused | undefined => {
  if (!methods.has(request.method))
    return refused("method", "malformed", "Use GET, HEAD, POST, PUT, PATCH or DELETE")
  if (!Number.isSafeInteger(request.answerMax) || request.answerMax < 0) {
    return refused("answerMax", "malformed", "Give a number of bytes, 0 or more")
  }
  if (request.body !== undefined && (request.method === "GET" || request.method === "HEAD")) {
    return refused("body", "malformed", `Remove the body: ${request.method} has none`)
  }
  return headerRefusal(request.headers)
}

const codeOf = (error: unknown): { readonly code?: string } =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? { code: error.code } : {}

const addressRefused = (_error: AddressRefused): OutboundRefused =>
  refused("url", "address", "Give a URL whose host is reachable from the public internet")

const connectError = (error: AddressRefused | ConnectFailed): OutboundRefused | OutboundFailed =>
  error._tag === "AddressRefused"
    ? addressRefused(error)
    : new OutboundFailed({
        reason: error.reason,
        isSent: false,
        ...(error.code === undefined ? {} : { code: error.code })
      })

/** The certificate is checked against the URL's host, and never against the address. */
const encrypt = (
  socket: Net.Socket,
  hostname: string,
  ca: ReadonlyArray<string> | undefined
): Effect.Effect<Tls.TLSSocket, OutboundFailed> =>
  Effect.callback((resume) => {
    const bare = hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "")
    const isAddress = hostname.startsWith("[") || /^[\d.]+$/.test(bare)
    const secure = Tls.connect({
      socket,
      // RFC 6066: a server name is no address.
      ...(isAddress ? {} : { servername: bare }),
      ...(ca === undefined ? {} : { ca: [...Tls.rootCertificates, ...ca] }),
      checkServerIdentity: (_name, certificate) => Tls.checkServerIdentity(bare, certificate),
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED is.
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"]
    })
    secure.on("error", (error) =>
      resume(Effect.fail(new OutboundFailed({ reason: "tls", isSent: false, ...codeOf(error) })))
    )
    secure.once("close", () => resume(Effect.fail(new OutboundFailed({ reason: "tls", isSent: false }))))
    secure.once("secureConnect", () => resume(Effect.succeed(secure)))
  })

const headersOf = (answer: Http.IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(answer.headersDistinct).map(([name, values]) => [name, (values ?? []).join(", ")])
  )

const exchange = (
  socket: Net.Socket,
  url: URL,
  request: OutboundRequest
): Effect.Effect<OutboundAnswer, OutboundFailed> =>
  Effect.callback((resume) => {
    const fail = (error?: unknown) =>
      resume(Effect.fail(new OutboundFailed({ reason: "answer", isSent: true, ...codeOf(error) })))
    const outgoing = Http.request({
      method: request.method,
      path: `${url.pathname}${url.search}`,
      headers: {
        ...request.headers,
        host: url.host,
        connection: "close",
        ...(request.body === undefined ? {} : { "content-length": request.body.byteLength })
      },
      // Without an agent: an agent would open another connection.
      createConnection: () => socket,
      insecureHTTPParser: false,
      maxHeaderSize: answerHeadBytesMax,
      setHost: false
    })
    outgoing.on("error", fail)
    outgoing.on("close", () => fail())
    outgoing.on("upgrade", (_answer, upgraded) => {
      upgraded.destroy()
      fail()
    })
    outgoing.on("response", (answer) => {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      const succeed = (truncated: boolean) =>
        resume(
          Effect.succeed({
            status: answer.statusCode ?? 0,
            headers: headersOf(answer),
            body: new Uint8Array(Buffer.concat(chunks)),
            truncated
          })
        )
      answer.on("error", fail)
      answer.on("end", () => (answer.complete ? succeed(false) : fail()))
      answer.on("data", (chunk: Buffer) => {
        const rest = request.answerMax - bytes
        chunks.push(chunk.subarray(0, rest))
        bytes += Math.min(chunk.byteLength, rest)
        if (chunk.byteLength <= rest) return
        succeed(true)
        socket.destroy()
      })
    })
    outgoing.end(request.body)
    return Effect.sync(() => void outgoing.destroy())
  })

/**
 * Sends requests to URLs of rows.
 *
 * @category services
 * @since 0.1.0
 */
export class OutboundHttp extends Context.Service<
  OutboundHttp,
  {
    /** Refuses, from the input alone, a URL that {@link send} could only refuse. For the door. */
    readonly check: (url: string) => Effect.Effect<void, OutboundRefused>
    /** Sends one request over one new connection. A redirect is an answer like any other. */
    readonly send: (
      request: OutboundRequest
    ) => Effect.Effect<OutboundAnswer, OutboundRefused | OutboundFailed>
  }
>()("@hypermarket/core/OutboundHttp") {
  /** Trusts the system's certificate authorities. */
  static readonly layer: Layer.Layer<OutboundHttp, never, OutboundAddress> = Layer.effect(
    OutboundHttp,
    Effect.suspend(() => make(undefined))
  )

  /** Trusts these authorities (PEM) as well. */
  static readonly layerTrusting = (
    authorities: ReadonlyArray<string>
  ): Layer.Layer<OutboundHttp, never, OutboundAddress> => Layer.effect(OutboundHttp, make(authorities))
}

const make = (authorities: ReadonlyArray<string> | undefined) =>
  Effect.gen(function* () {
    const outbound = yield* OutboundAddress

    /** The address decides for a port or scheme that is not public, and a name has none yet. */
    const plainRefusal = (url: URL): OutboundRefused | undefined => {
      if (url.protocol === "https:" && publicPorts.has(portOf(url))) return undefined
      return url.protocol === "https:"
        ? refused("url", "port", "Use port 443 or 8443")
        : refused("url", "scheme", "Use https")
    }

    const checked = Effect.fnUntraced(function* (text: string) {
      const url = yield* Effect.fromResult(parseUrl(text))
      yield* Effect.fromResult(outbound.check(url.hostname, portOf(url))).pipe(
        Effect.mapError(addressRefused)
      )
      const refusal = plainRefusal(url)
      if (refusal !== undefined && !outbound.mayBeAllowed(url.hostname, portOf(url))) return yield* refusal
      return url
    })

    const send = Effect.fn("OutboundHttp.send")(function* (
      request: OutboundRequest
    ): Effect.fn.Return<OutboundAnswer, OutboundRefused | OutboundFailed> {
      const refusal = requestRefusal(request)
      if (refusal !== undefined) return yield* refusal
      const url = yield* checked(request.url)
      const sockets: Array<Net.Socket> = []
      let isSent = false
      return yield* Effect.gen(function* () {
        const socket = yield* outbound
          .connect({ host: url.hostname, port: portOf(url), deadline: request.deadline })
          .pipe(Effect.mapError(connectError))
        sockets.push(socket)
        const plain = plainRefusal(url)
        if (plain !== undefined && !outbound.isAllowed(socket.remoteAddress ?? "", portOf(url))) {
          return yield* plain
        }
        const stream = url.protocol === "https:" ? yield* encrypt(socket, url.hostname, authorities) : socket
        sockets.push(stream)
        isSent = true
        return yield* exchange(stream, url, request)
      }).pipe(
        Effect.timeoutOrElse({
          duration: request.deadline,
          orElse: () => Effect.fail(new OutboundFailed({ reason: "timeout", isSent }))
        }),
        Effect.ensuring(Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
      )
    })

    return { check: (url: string) => Effect.asVoid(checked(url)), send }
  })
