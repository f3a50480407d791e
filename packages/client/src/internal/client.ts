import type { CallOptions } from "./call.ts"
import { HypermarketError, type Problem } from "./error.ts"
import type { Operations } from "./operations.ts"
import { table } from "./table.ts"

/** The address and key of an installation, and how requests are sent. */
export interface ClientOptions {
  /** For example `https://hypermarket.example.com`. It may have a path. */
  readonly url: string
  /** A key, or a function that returns one and is called before each attempt. */
  readonly key: string | (() => string | Promise<string>)
  /**
   * Attempts of one call, the first included.
   *
   * @default 4
   */
  readonly attempts?: number
  /** @default globalThis.fetch */
  readonly fetch?: typeof globalThis.fetch
}

/** All operations of the API, by group: `client.queues.get({ queue: "mails" })`. */
export type Client = Operations

type Input = Readonly<Record<string, unknown>>

/** One operation, as its row in the table has it. */
interface Operation {
  /** `<group>.<method>`. */
  readonly name: string
  readonly method: string
  readonly path: string
  /** Its list has pages. */
  readonly isPaged: boolean
  /** It is conditional on the version that was read. */
  readonly isConditional: boolean
  readonly hasIdempotencyKey: boolean
  readonly isPublication: boolean
  /** The response is a stream, or text that a program reads as it comes. */
  readonly isRaw: boolean
}

const timeoutDefaultMillis = 30_000
const backoffMillis = 200
const backoffMillisMax = 20_000
/** A server that asks for more is asked again after a minute. */
const retryAfterMillisMax = 60_000

/** A gateway may have lost the response, or the service was overloaded for a moment. */
const transientStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** As much of a foreign response as an error holds. */
const detailLengthMax = 500

const sleep = (millis: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    // oxlint-disable-next-line no-restricted-globals -- no Effect in this package
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort)
      resolve()
    }, millis)
    signal.addEventListener("abort", abort, { once: true })
  })

/** Milliseconds of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
const retryAfterMillis = (response: Response | undefined): number | undefined => {
  const value = response?.headers.get("retry-after")
  if (value === null || value === undefined) return undefined
  const millis = /^\d+$/.test(value)
    ? Number(value) * 1_000
    : Date.parse(value) - Date.parse(response?.headers.get("date") ?? new Date().toUTCString())
  return Number.isFinite(millis) ? Math.min(Math.max(millis, 0), retryAfterMillisMax) : undefined
}

/** Callers that were refused together do not return together. */
const waitMillis = (response: Response | undefined, attempt: number): number => {
  const backoff = Math.min(backoffMillis * 2 ** attempt, backoffMillisMax) * (0.5 + Math.random() / 2)
  const asked = retryAfterMillis(response)
  return asked === undefined ? backoff : asked + backoff / 4
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const isProblem = (value: unknown): value is Problem =>
  isObject(value) && typeof value["type"] === "string" && typeof value["title"] === "string"

/** The problem document of a response, or one made of the text that came. */
const readProblem = async (response: Response): Promise<Problem> => {
  const text = await response.text()
  try {
    const parsed: unknown = JSON.parse(text)
    if (isProblem(parsed)) return parsed
  } catch {
    // A proxy's page.
  }
  const title = response.statusText === "" ? `Status ${response.status}` : response.statusText
  return { type: "about:blank", title, status: response.status, detail: text.slice(0, detailLengthMax) }
}

/** Segments that a URL takes for a way up would reach another operation. */
const segmentOf = (operation: Operation, name: string, value: unknown): string => {
  const text = value === undefined || value === null ? "" : String(value)
  if (text === "" || text === "." || text === "..") {
    throw new TypeError(`${operation.name}: "${name}" is ${text === "" ? "missing" : `"${text}"`}`)
  }
  return encodeURIComponent(text)
}

const targetOf = (base: string, operation: Operation, input: Input): string => {
  const used = new Set(operation.isConditional ? ["body", "version"] : ["body"])
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    used.add(name)
    return segmentOf(operation, name, input[name])
  })
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input)) {
    if (!used.has(name) && value !== undefined && value !== null) query.set(name, String(value))
  }
  const search = query.toString()
  return `${base}/v1/${path}${search === "" ? "" : `?${search}`}`
}

const contentTypeOf = (operation: Operation, body: unknown): string => {
  if (!operation.isPublication) return "application/json"
  return Array.isArray(body) ? "application/cloudevents-batch+json" : "application/cloudevents+json"
}

/** `specversion` and `source` may be left out, as in the other doors. */
const withDefaults = (event: unknown): unknown =>
  isObject(event) ? { specversion: "1.0", source: "/", ...event } : event

const textOf = (operation: Operation, body: unknown): string => {
  const completed = !operation.isPublication
    ? body
    : Array.isArray(body)
      ? body.map(withDefaults)
      : withDefaults(body)
  return JSON.stringify(completed, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))
}

const headersOf = (
  operation: Operation,
  input: Input,
  idempotencyKey: string | undefined
): Record<string, string> => ({
  ...(operation.isConditional ? { "if-match": `"${String(input["version"])}"` } : {}),
  ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
  ...(input["body"] === undefined ? {} : { "content-type": contentTypeOf(operation, input["body"]) })
})

const operationOf = (name: string, row: string): Operation => {
  const [method = "", path = "", flags = ""] = row.split(" ")
  return {
    name,
    method,
    path,
    isPaged: flags.includes("p"),
    isConditional: flags.includes("m"),
    hasIdempotencyKey: flags.includes("i"),
    isPublication: flags.includes("e"),
    isRaw: flags.includes("r")
  }
}

/** A promise that starts when it is awaited, and all pages when it is iterated. */
const paged = (load: (cursor: string | undefined) => Promise<unknown>) => {
  let started: Promise<unknown> | undefined
  const first = () => (started ??= load(undefined))
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- it is one
    then: (...handlers: Parameters<Promise<unknown>["then"]>) => first().then(...handlers),
    catch: (handler: Parameters<Promise<unknown>["catch"]>[0]) => first().catch(handler),
    finally: (handler: Parameters<Promise<unknown>["finally"]>[0]) => first().finally(handler),
    [Symbol.toStringTag]: "Paged",
    async *[Symbol.asyncIterator]() {
      for (let page = await first(); isObject(page); page = await load(String(page["nextCursor"]))) {
        if (Array.isArray(page["items"])) yield* page["items"]
        if (typeof page["nextCursor"] !== "string") return
      }
    }
  }
}

/**
 * Makes a client of the HTTP API. It opens nothing: keep one per process, or make one per request.
 *
 * A call that can safely be repeated ({@link CallOptions}) is repeated after a network error and after 502, 503 and
 * 504. 429 with a problem document is repeated for
 * every operation, since nothing was carried out. A response other than a success rejects with {@link HypermarketError}.
 */
export const createClient = ({ attempts = 4, fetch, key, url }: ClientOptions): Client => {
  const base = url.replace(/\/+$/, "")

  const request = async (
    operation: Operation,
    input: Input,
    options: CallOptions,
    signal: AbortSignal,
    deadline: number
  ): Promise<Response> => {
    const target = targetOf(base, operation, input)
    const idempotencyKey =
      options.idempotencyKey ?? (operation.hasIdempotencyKey ? crypto.randomUUID() : undefined)
    const headers = headersOf(operation, input, idempotencyKey)
    const body = input["body"] === undefined ? undefined : textOf(operation, input["body"])
    const isRepeatable =
      options.repeatable ??
      (operation.method === "GET" ||
        operation.isConditional ||
        operation.isPublication ||
        idempotencyKey !== undefined)
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt + 1 >= attempts
      const authorization = `Bearer ${typeof key === "string" ? key : await key()}`
      let response: Response | undefined
      let failure: unknown
      try {
        response = await (fetch ?? globalThis.fetch)(target, {
          method: operation.method,
          headers: { ...headers, authorization },
          signal,
          // Followed, a redirect would take the key to another host.
          redirect: "manual",
          ...(body === undefined ? {} : { body })
        })
      } catch (error) {
        failure = error
      }
      if (response?.ok === true) return response
      const wait = waitMillis(response, attempt)
      const isLate = performance.now() + wait > deadline
      if (response === undefined) {
        if (signal.aborted || !isRepeatable || isLast || isLate) throw failure
        await sleep(wait, signal)
        continue
      }
      const isTransient = transientStatuses.has(response.status)
      const isRefusal =
        response.status === 429 && response.headers.get("content-type")?.includes("problem+json") === true
      if (!isTransient || isLast || isLate || !(isRepeatable || isRefusal)) {
        const requestId = response.headers.get("x-request-id") ?? undefined
        throw new HypermarketError(operation.name, response.status, await readProblem(response), requestId)
      }
      await response.body?.cancel()
      await sleep(wait, signal)
    }
  }

  const call = async (operation: Operation, input: Input, options: CallOptions): Promise<unknown> => {
    const timeout = options.timeout ?? timeoutDefaultMillis
    const timedOut = new AbortController()
    // oxlint-disable-next-line no-restricted-globals -- no Effect in this package
    const timer = setTimeout(
      () =>
        timedOut.abort(
          new DOMException(`${operation.name}: no response within ${timeout} ms`, "TimeoutError")
        ),
      timeout
    )
    const signal =
      options.signal === undefined ? timedOut.signal : AbortSignal.any([options.signal, timedOut.signal])
    try {
      const response = await request(operation, input, options, signal, performance.now() + timeout)
      if (operation.isRaw) return response
      return response.status === 204 ? undefined : await response.json()
    } finally {
      clearTimeout(timer)
    }
  }

  const methodOf = (operation: Operation) =>
    operation.isPaged
      ? (input: Input = {}, options: CallOptions = {}) =>
          paged((cursor) => call(operation, cursor === undefined ? input : { ...input, cursor }, options))
      : (input: Input = {}, options: CallOptions = {}) => call(operation, input, options)

  const client: unknown = Object.fromEntries(
    Object.entries(table).map(([group, rows]) => [
      group,
      Object.fromEntries(
        Object.entries(rows).map(([name, row]) => [name, methodOf(operationOf(`${group}.${name}`, row))])
      )
    ])
  )
  // The generated types and the generated table come from one document.
  return client as Client
}
