/**
 * Requests with one hostile value each, for every parameter and every field of every body of an API. They are made from
 * its OpenAPI document: a request that is right in everything else reaches the code behind the schemas.
 *
 * An API answers each of them with anything but a 5xx, and answers at all.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { isObject, long, longShare, numbers, others, texts, write } from "./hostileValues.ts"

/** The keywords of JSON Schema that the generator reads; a schema without any of it is anything. */
interface JsonSchema {
  readonly [keyword: string]: unknown
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const objectOf = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {})
const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

interface Chance {
  readonly next: () => number
  /** One of the values, of which there must be one. */
  readonly pick: <A>(values: ReadonlyArray<A>) => A
}

/** Mulberry32 (Tommy Ettinger). */
const chanceOf = (seed: number): Chance => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    pick: (values) => {
      const value = values[Math.floor(next() * values.length)]
      if (value === undefined) throw new RangeError("Expected a value to pick")
      return value
    }
  }
}

/** Right values by the name of a field: a schema's pattern is no recipe. */
export type Hints = Readonly<Record<string, unknown>>

const resolve = (schema: unknown, definitions: Readonly<Record<string, unknown>>): JsonSchema => {
  const current = objectOf(schema)
  const reference = textOf(current["$ref"])
  return reference === "" ? current : objectOf(definitions[reference.slice(reference.lastIndexOf("/") + 1)])
}

const depthMax = 12

/** A value of a schema, as small as it may be, but with every optional field with even odds. */
const valueOf = (
  chance: Chance,
  schema_: unknown,
  definitions: Readonly<Record<string, unknown>>,
  hints: Hints,
  name = "",
  depth = 0
): unknown => {
  const schema = resolve(schema_, definitions)
  const inner = (child: unknown, childName: string) =>
    valueOf(chance, child, definitions, hints, childName, depth + 1)
  if (name in hints) return hints[name]
  if (depth > depthMax) return null
  if (schema["const"] !== undefined) return schema["const"]
  const choices = listOf(schema["enum"])
  if (choices.length > 0) return chance.pick(choices)
  const variants = [...listOf(schema["anyOf"]), ...listOf(schema["oneOf"])]
  if (variants.length > 0) return inner(chance.pick(variants), name)
  const parts = listOf(schema["allOf"]).map((part) => resolve(part, definitions))
  const merged: JsonSchema = Object.assign({}, ...parts, schema)
  switch (merged["type"]) {
    case "object": {
      const required = new Set(listOf(merged["required"]))
      const members: Record<string, unknown> = {}
      for (const [key, property] of Object.entries(objectOf(merged["properties"]))) {
        if (required.has(key) || chance.next() < 0.5) members[key] = inner(property, key)
      }
      if (isObject(merged["additionalProperties"])) members["a"] = inner(merged["additionalProperties"], "a")
      return members
    }
    case "array": {
      const tuple = listOf(merged["prefixItems"])
      if (tuple.length > 0) return tuple.map((item) => inner(item, name))
      return [inner(merged["items"], name)]
    }
    case "integer":
    case "number":
      return typeof merged["minimum"] === "number" ? merged["minimum"] : 1
    case "boolean":
      return chance.next() < 0.5
    case "null":
      return null
    case "string":
      return merged["format"] === "date-time" ? "2026-03-10T12:00:00Z" : "a"
    default:
      return { a: 1 }
  }
}

type Path = ReadonlyArray<string | number>

const pathsOf = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  const children = Array.isArray(value)
    ? value.flatMap((item, index) => pathsOf(item, [...path, index]))
    : isObject(value)
      ? Object.entries(value).flatMap(([key, member]) => pathsOf(member, [...path, key]))
      : []
  return [path, ...children]
}

const replaced = (value: unknown, path: Path, hostile: unknown): unknown => {
  const [first, ...rest] = path
  if (first === undefined) return hostile
  if (Array.isArray(value))
    return value.map((item, index) => (index === first ? replaced(item, rest, hostile) : item))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === first ? replaced(member, rest, hostile) : member
    ])
  )
}

/** A request to be sent, and where its hostile value is. */
export interface HostileRequest {
  readonly operation: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly where: string
}

/** A body that the document does not describe. */
export interface Body {
  readonly contentType: string
  readonly schema: unknown
  readonly definitions?: Readonly<Record<string, unknown>>
}

export interface Options {
  /** An OpenAPI 3.1 document. */
  readonly document: unknown
  readonly seed: number
  readonly hints?: Hints
  /** By `POST /v1/events`. */
  readonly bodies?: Readonly<Record<string, ReadonlyArray<Body>>>
  /** The lists whose cursors are forged. */
  readonly lists?: ReadonlyArray<string>
}

interface Operation {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly parameters: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly bodies: ReadonlyArray<Body>
}

const methods = new Set(["get", "post", "put", "patch", "delete"])

const operationsOf = (options: Options): ReadonlyArray<Operation> => {
  const document = objectOf(options.document)
  const definitions = objectOf(objectOf(document["components"])["schemas"])
  return Object.entries(objectOf(document["paths"])).flatMap(([path, item]) =>
    Object.entries(objectOf(item)).flatMap(([method, operation]) => {
      if (!methods.has(method)) return []
      const name = `${method.toUpperCase()} ${path}`
      const described = objectOf(objectOf(objectOf(operation)["requestBody"])["content"])
      const bodies = Object.entries(described).map(([contentType, content]) => ({
        contentType,
        schema: objectOf(content)["schema"],
        definitions
      }))
      return [
        {
          name,
          method: method.toUpperCase(),
          path,
          parameters: listOf(objectOf(operation)["parameters"]).map(objectOf),
          bodies: options.bodies?.[name] ?? bodies
        }
      ]
    })
  )
}

/** Half of a surrogate pair has no percent-encoding, but its bytes have. */
const encoded = (text: string): string =>
  text.isWellFormed() ? encodeURIComponent(text) : text.replaceAll(/[\ud800-\udfff]/g, "%ED%A0%80")

/** A head of 16 KiB is all that Node reads. */
const urlTextMax = 4_000

/**
 * An endless sequence of requests. The same seed makes the same ones.
 */
export function* make(options: Options): Generator<HostileRequest, never> {
  const chance = chanceOf(options.seed)
  const hints = options.hints ?? {}
  const operations = operationsOf(options)
  const hostileText = () => chance.pick(texts)
  const forged = (): string => {
    const key = chance.pick<unknown>([[hostileText()], [chance.pick(numbers)], [], hostileText(), null])
    const list = chance.pick(["", ...(options.lists ?? [])])
    return Buffer.from(write(list === "" ? key : [list, key])).toString("base64url")
  }
  const hostile = (): unknown => {
    if (chance.next() < longShare) return long
    return chance.pick<unknown>(chance.pick<ReadonlyArray<unknown>>([texts, texts, numbers, others]))
  }
  for (;;) {
    const operation = chance.pick(operations)
    const content = operation.bodies.length === 0 ? undefined : chance.pick(operation.bodies)
    const targets: Array<{ readonly parameter: string } | { readonly path: Path }> = operation.parameters.map(
      ({ name }) => ({ parameter: textOf(name) })
    )
    const value =
      content === undefined ? undefined : valueOf(chance, content.schema, content.definitions ?? {}, hints)
    if (content !== undefined) targets.push(...pathsOf(value).map((path) => ({ path })))
    const target = targets.length === 0 ? { parameter: "" } : chance.pick(targets)
    let url = operation.path
    const query: Array<string> = []
    const headers: Record<string, string> = {}
    for (const parameter of operation.parameters) {
      const name = textOf(parameter["name"])
      const isTarget = "parameter" in target && target.parameter === name
      const right = valueOf(chance, parameter["schema"], {}, hints, name)
      const wrong = name === "cursor" && chance.next() < 0.7 ? forged() : hostileText().slice(0, urlTextMax)
      const text = isTarget ? wrong : typeof right === "string" ? right : write(right)
      if (parameter["in"] === "path")
        url = url.replace(`{${name}}`, encoded(text) === "" ? "%20" : encoded(text))
      if (parameter["in"] === "query" && (isTarget || parameter["required"] === true || chance.next() < 0.3))
        query.push(`${name}=${encoded(text)}`)
      // What a header may not have, no client can send.
      if (
        parameter["in"] === "header" &&
        (isTarget || chance.next() < 0.5) &&
        /^[\u0020-\u007e]*$/.test(text)
      )
        headers[name] = text
    }
    if (content !== undefined) headers["content-type"] = content.contentType
    yield {
      operation: operation.name,
      method: operation.method,
      url: query.length === 0 ? url : `${url}?${query.join("&")}`,
      headers,
      body:
        content === undefined
          ? undefined
          : write("path" in target ? replaced(value, target.path, hostile()) : value),
      where: "path" in target ? `body ${target.path.join(".")}` : `parameter ${target.parameter}`
    }
  }
}

/** A request that was answered with a 5xx, or not at all. */
export interface Failure {
  /** Which request of the sequence, from 0. */
  readonly index: number
  readonly operation: string
  readonly where: string
  readonly answer: string
  readonly request: string
}

/** The answers of an API to the requests. */
export interface Outcome {
  /** How many were answered with each status. */
  readonly statuses: ReadonlyMap<number, number>
  /** Operations that accepted a request, or looked for what it names. */
  readonly reached: ReadonlySet<string>
  /** The first {@link failuresMax}. */
  readonly failures: ReadonlyArray<Failure>
}

/** More say nothing new, and the run ends. */
export const failuresMax = 20

const shownLengthMax = 1_000
const answerMax = "20 seconds"

/** Sends so many requests one after another. */
export const run = Effect.fn("HostileRequests.run")(function* <E, R>(
  options: Options & {
    readonly requests: number
    readonly send: (
      request: HostileRequest
    ) => Effect.Effect<{ readonly status: number; readonly text: string }, E, R>
  }
): Effect.fn.Return<Outcome, never, R> {
  const requests = make(options)
  const statuses = new Map<number, number>()
  const reached = new Set<string>()
  const failures: Array<Failure> = []
  for (let index = 0; index < options.requests && failures.length < failuresMax; index++) {
    const request = requests.next().value
    const answer = yield* options.send(request).pipe(
      Effect.timeout(answerMax),
      Effect.catchCause((cause) => Effect.succeed({ status: 0, text: Cause.pretty(cause) }))
    )
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    if (answer.status === 0 || answer.status >= 500) {
      failures.push({
        index,
        operation: request.operation,
        where: request.where,
        answer: `${answer.status} ${answer.text}`.slice(0, shownLengthMax),
        request: `${request.url} ${request.body ?? ""}`.slice(0, shownLengthMax)
      })
    } else if (answer.status !== 400) reached.add(request.operation)
  }
  return { statuses, reached, failures }
})
