/** Calls the API with the session's cookie. The types are those of the groups that serve it. */
import { apiPathOf, tenantOfAddress } from "./base.ts"
import type { Endpoint, Input, Success } from "./Endpoints.ts"
import { Problem } from "./Problem.ts"

export interface Sent {
  readonly payload?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** Another origin cannot send it without a preflight, which the API does not answer. */
const consoleHeader = { "x-hypermarket-console": "1" }

const bodyOf = (response: Response): Promise<unknown> =>
  (response.headers.get("content-type") ?? "").includes("json") ? response.json() : Promise.resolve(undefined)

const listeners = new Set<() => void>()

/** Calls back when a request was refused because the session has ended. */
export const onSessionEnd = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Sends a request and returns the answer, or throws a `Problem`. */
export const request = async (method: string, path: string, sent: Sent = {}): Promise<Response> => {
  const tenantId = tenantOfAddress()
  let response: Response
  try {
    response = await fetch(apiPathOf(path), {
      method,
      credentials: "same-origin",
      headers: {
        ...consoleHeader,
        ...(tenantId === undefined ? {} : { "x-hypermarket-tenant": tenantId }),
        ...(sent.payload === undefined ? {} : { "content-type": "application/json" }),
        ...sent.headers
      },
      ...(sent.payload === undefined ? {} : { body: JSON.stringify(sent.payload) }),
      ...(sent.signal === undefined ? {} : { signal: sent.signal })
    })
  } catch (error) {
    if (sent.signal?.aborted === true) throw error
    throw Problem.unreachable()
  }
  if (response.ok) return response
  const body = await bodyOf(response)
  if (response.status === 401) for (const listener of listeners) listener()
  throw Problem.fromResponse(response, body)
}

/** Sends a request and returns the body of the answer, or throws a `Problem`. */
export const send = async (method: string, path: string, sent: Sent = {}): Promise<unknown> =>
  bodyOf(await request(method, path, sent))

type Named = Readonly<Record<string, unknown>>

const isNamed = (value: unknown): value is Named => typeof value === "object" && value !== null

/** Returns the path of an endpoint with its parameters and query. */
const pathOf = (template: string, params: unknown, query: unknown): string => {
  const values = isNamed(params) ? params : {}
  const path = template.replaceAll(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(values[name] ?? ""))
  )
  const search = new URLSearchParams(
    Object.entries(isNamed(query) ? query : {}).flatMap(([name, value]): Array<[string, string]> =>
      value === undefined ? [] : [[name, String(value)]]
    )
  ).toString()
  return search === "" ? path : `${path}?${search}`
}

/** Calls an endpoint. What it returns is what the API sent; nothing is computed or renamed. */
export function call<K extends Endpoint>(endpoint: K, input: Input<K>): Promise<Success<K>>
export function call(
  endpoint: string,
  input: Sent & { readonly params?: unknown; readonly query?: unknown }
) {
  const [method = "GET", template = "/"] = endpoint.split(" ")
  return send(method, pathOf(template, input.params, input.query), input)
}

/** Returns the header that makes a change of a thing fail when it has changed since this version. */
export const ifMatch = (version: number): Readonly<Record<string, string>> => ({ "if-match": `"${version}"` })
