/**
 * The API reference: the prose of every operation, and examples that a test executes.
 *
 * A domain has its prose in `XReference.ts` and its examples in `XApi.examples.json`, apart from `XApi.ts`, which a
 * browser loads. {@link make} does not compile when an operation lacks its prose.
 *
 * @since 0.1.0
 */
import type { HttpApi } from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import { hasProperty, isObject, isObjectOrArray } from "effect/Predicate"
import * as Schema from "effect/Schema"
import { operationNames } from "./internal/operationNames.ts"

const Texts = Schema.Record(Schema.String, Schema.String)

/**
 * A request and its response. Ids, instants, cursors and versions of a run are compared by their form.
 *
 * A value of `params`, `query`, `headers` or `body` may be that of an earlier response:
 * `{{schedules.createSchedule/nightly.scheduleId}}`. An example without `body` sends none, and one without `response`
 * expects none. The content type of a body is `application/json` unless `headers` has another.
 *
 * @category models
 * @since 0.1.0
 */
export const Example = Schema.Struct({
  /** Unique within its operation, for example `one-type`. */
  name: Schema.String.check(Schema.isPattern(/^[a-z0-9]+(?:-[a-z0-9]+)*$/)),
  summary: Schema.String,
  params: Schema.optionalKey(Texts),
  query: Schema.optionalKey(Texts),
  headers: Schema.optionalKey(Texts),
  body: Schema.optionalKey(Schema.Json),
  status: Schema.Int,
  response: Schema.optionalKey(Schema.Json)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Example = typeof Example.Type

/**
 * The examples of a domain by operation, `<group>.<operation>`, in the order in which they run.
 *
 * @category models
 * @since 0.1.0
 */
export const Examples = Schema.Record(Schema.String, Schema.Array(Example))

/**
 * @category models
 * @since 0.1.0
 */
export interface Prose {
  /** Imperative, at most 40 characters, no full stop: it is the entry in the sidebar. */
  readonly summary: string
  /** Purpose of the operation, its limits, its errors, and the next step. Markdown. */
  readonly description: string
}

/**
 * The prose of every operation of the groups. Leaving one out does not compile.
 *
 * @category models
 * @since 0.1.0
 */
export type ProseOf<Groups extends HttpApiGroup.Constraint> = {
  readonly [Group in Groups as Group["identifier"]]: {
    readonly [Endpoint in HttpApiGroup.Endpoints<Group> as Endpoint["identifier"]]: Prose
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Operation extends Prose {
  /** `<group>.<operation>`. */
  readonly name: string
  readonly examples: ReadonlyArray<Example>
}

/**
 * Why a problem is answered, and how the caller removes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProblemProse {
  readonly cause: string
  /** In the imperative, in terms of what the caller sent. */
  readonly remedy: string
}

/**
 * The reference of a domain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reference {
  /** In the order of its groups. */
  readonly operations: ReadonlyArray<Operation>
  /** By the `type` of the problem. */
  readonly problems: Readonly<Record<string, ProblemProse>>
}

/** The width of the sidebar. */
const summaryLengthMax = 40

const decodeExamples = Schema.decodeUnknownSync(Examples, { onExcessProperty: "error" })

/**
 * Makes the reference of a domain. `examples` is the content of its `XApi.examples.json`, and `problems` has the problems that
 * the domain declares.
 *
 * Throws when a text is empty, a summary does not fit the sidebar, an operation has no example or two of one name, or examples are for an
 * operation that does not exist. All of these are mistakes in the code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  _api: HttpApi<Id, Groups>,
  prose: ProseOf<Groups>,
  options: {
    readonly examples: unknown
    readonly problems: Readonly<Record<string, ProblemProse>>
  }
): Reference => {
  const decoded = decodeExamples(options.examples)
  const groups: Readonly<Record<string, Readonly<Record<string, Prose>>>> = prose
  const operations = Object.entries(groups).flatMap(([group, endpoints]) =>
    Object.entries(endpoints).map(([endpoint, { description, summary }]): Operation => ({
      name: `${group}.${endpoint}`,
      summary,
      description,
      examples: decoded[`${group}.${endpoint}`] ?? []
    }))
  )
  for (const { description, examples, name, summary } of operations) {
    if (summary.trim() === "" || description.trim() === "") throw new TypeError(`${name} has no prose`)
    if (summary.length > summaryLengthMax || summary.endsWith(".")) {
      throw new TypeError(
        `${name}: "${summary}" is no summary: at most ${summaryLengthMax} characters, without a full stop`
      )
    }
    if (examples.length === 0) throw new TypeError(`${name} has no example`)
    if (new Set(examples.map((example) => example.name)).size < examples.length) {
      throw new TypeError(`${name}: two examples have one name`)
    }
  }
  const names = new Set(operations.map(({ name }) => name))
  const unknown = Object.keys(decoded).find((name) => !names.has(name))
  if (unknown !== undefined) throw new TypeError(`There are examples for ${unknown}, which does not exist`)
  return { operations, problems: options.problems }
}

const placeholder = /\{\{([\w.]+\/[\w-]+)\.([\w.]+)\}\}/g

const memberAt = (value: Schema.Json | undefined, path: string): unknown => {
  let current: unknown = value
  for (const name of path.split(".")) current = hasProperty(current, name) ? current[name] : undefined
  return current
}

const fillValue = (value: Schema.Json, replace: (text: string) => string): Schema.Json => {
  if (typeof value === "string") return replace(value)
  if (Array.isArray(value)) return value.map((element) => fillValue(element, replace))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fillValue(member, replace)]))
}

const fillTexts = (texts: Readonly<Record<string, string>>, replace: (text: string) => string) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, replace(text)]))

/**
 * Fills the values of a request that come from earlier responses. `responseOf` returns the response of an example by
 * `<group>.<operation>/<example>`. A value that is in no response stays as it is written.
 *
 * @category examples
 * @since 0.1.0
 */
export const fill = (example: Example, responseOf: (name: string) => Schema.Json | undefined): Example => {
  const replace = (text: string) =>
    text.replaceAll(placeholder, (whole, name: string, path: string) => {
      const value = memberAt(responseOf(name), path)
      return typeof value === "string" || typeof value === "number" ? String(value) : whole
    })
  const { body, headers, params, query } = example
  return {
    ...example,
    ...(params === undefined ? {} : { params: fillTexts(params, replace) }),
    ...(query === undefined ? {} : { query: fillTexts(query, replace) }),
    ...(headers === undefined ? {} : { headers: fillTexts(headers, replace) }),
    ...(body === undefined ? {} : { body: fillValue(body, replace) })
  }
}

type Node = Record<string, unknown>

const isNode = (value: unknown): value is Node => isObject(value) && !Array.isArray(value)

const child = (node: unknown, name: string): unknown => (hasProperty(node, name) ? node[name] : undefined)

const children = (node: unknown): ReadonlyArray<Node> =>
  (Array.isArray(node) ? node : isNode(node) ? Object.values(node) : []).filter(isNode)

const contentTypeOf = ({ headers }: Example): string => headers?.["content-type"] ?? "application/json"

/** True for a request that the document describes: a page sends the headers that are parameters, and no other. */
const isDescribed = ({ headers = {} }: Example, parameters: ReadonlyArray<Node>): boolean => {
  const names = new Set(["content-type", ...parameters.map(({ name }) => String(name).toLowerCase())])
  return Object.keys(headers).every((name) => names.has(name.toLowerCase()))
}

const setBodies = (operation: Node, examples: ReadonlyArray<Example>): void => {
  const content = child(operation["requestBody"], "content")
  if (!isNode(content)) return
  const schema = child(children(content)[0], "schema")
  const parameters = children(operation["parameters"])
  for (const example of examples) {
    if (example.body === undefined || !isDescribed(example, parameters)) continue
    const mediaType = contentTypeOf(example)
    const entry = isNode(content[mediaType]) ? content[mediaType] : { schema }
    const named = isNode(entry["examples"]) ? entry["examples"] : {}
    named[example.name] = { summary: example.summary, value: example.body }
    entry["examples"] = named
    content[mediaType] = entry
  }
}

const setResponses = (responses: unknown, examples: ReadonlyArray<Example>): void => {
  for (const { name, response, status, summary } of examples) {
    if (response === undefined) continue
    for (const entry of children(child(child(responses, String(status)), "content"))) {
      const named = isNode(entry["examples"]) ? entry["examples"] : {}
      named[name] = { summary, value: response }
      entry["examples"] = named
    }
  }
}

const setParameters = (parameters: unknown, examples: ReadonlyArray<Example>): void => {
  for (const parameter of children(parameters)) {
    const name = String(parameter["name"])
    const value = examples
      .map((example) =>
        parameter["in"] === "path"
          ? example.params?.[name]
          : parameter["in"] === "query"
            ? example.query?.[name]
            : example.headers?.[name]
      )
      .find((candidate) => candidate !== undefined)
    if (value !== undefined) parameter["example"] = isInteger(parameter) ? Number(value) : value
  }
}

const isInteger = (parameter: Node): boolean => child(parameter["schema"], "type") === "integer"

const operationsIn = (document: Node): ReadonlyArray<Node> =>
  children(document["paths"]).flatMap((path) =>
    children(path).filter((operation) => typeof operation["operationId"] === "string")
  )

const addReferences = (document: Node, references: ReadonlyArray<Reference>): void => {
  const operations = references.flatMap((reference) => reference.operations)
  const responses = new Map<string, Schema.Json | undefined>(
    operations.flatMap(({ examples, name }) =>
      examples.map((example) => [`${name}/${example.name}`, example.response] as const)
    )
  )
  const byName = new Map(operations.map((operation) => [operation.name, operation]))
  for (const operation of operationsIn(document)) {
    const reference = byName.get(String(operation["operationId"]))
    if (reference === undefined) continue
    const examples = reference.examples.map((example) => fill(example, (name) => responses.get(name)))
    operation["summary"] = reference.summary
    operation["description"] = reference.description
    setBodies(operation, examples)
    setResponses(operation["responses"], examples)
    setParameters(operation["parameters"], examples)
  }
}

const renameOperations = (document: Node): void => {
  const operations = operationsIn(document)
  const names = operationNames(operations.map((operation) => String(operation["operationId"])))
  for (const operation of operations) {
    operation["operationId"] = names.get(String(operation["operationId"]))
  }
}

/** Text with a `minimum` is an integer of `BoundedInt.fromText`. */
const correctIntegers = (document: Node): void => {
  for (const operation of operationsIn(document)) {
    for (const { schema } of children(operation["parameters"])) {
      if (isNode(schema) && schema["type"] === "string" && typeof schema["minimum"] === "number") {
        schema["type"] = "integer"
        delete schema["pattern"]
      }
    }
  }
}

const removeUnsafeBounds = (node: unknown): void => {
  if (isNode(node)) {
    // An integer without bounds gets these. They tell a reader nothing.
    if (node["minimum"] === Number.MIN_SAFE_INTEGER) delete node["minimum"]
    if (node["maximum"] === Number.MAX_SAFE_INTEGER) delete node["maximum"]
  }
  if (isObjectOrArray(node)) for (const value of Object.values(node)) removeUnsafeBounds(value)
}

/** Every problem of ours is sent with its title. */
const requireTitles = (schemas: unknown): void => {
  for (const schema of children(schemas)) {
    const properties = child(schema, "properties")
    const required = schema["required"]
    const isProblem =
      hasProperty(properties, "type") && hasProperty(properties, "status") && hasProperty(properties, "title")
    if (isProblem && Array.isArray(required) && !required.includes("title")) {
      schema["required"] = [...required, "title"]
    }
  }
}

/** The last segment of a schema's identifier is its public name: `_hypermarket_events_QueueState` is `QueueState`. */
const publicName = (name: string): string => /^_hypermarket_[a-z]+_([A-Z]\w*)$/.exec(name)?.[1] ?? name

const renameComponents = (document: Node): Node => {
  const schemas = child(child(document, "components"), "schemas")
  if (!isNode(schemas)) return document
  const names = new Map(Object.keys(schemas).map((name) => [name, publicName(name)]))
  if (new Set(names.values()).size < names.size) {
    throw new TypeError("Two schemas of the composed API have one public name")
  }
  const rename = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(rename)
    if (!isNode(node)) return node
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => {
        const name =
          key === "$ref" && typeof value === "string"
            ? /^#\/components\/schemas\/(.+)$/.exec(value)?.[1]
            : undefined
        return [key, name === undefined ? rename(value) : `#/components/schemas/${names.get(name) ?? name}`]
      })
    )
  }
  const renamed = rename(document)
  if (!isNode(renamed)) return document
  const components = child(renamed, "components")
  const renamedSchemas = child(components, "schemas")
  if (isNode(components) && isNode(renamedSchemas)) {
    components["schemas"] = Object.fromEntries(
      Object.entries(renamedSchemas).map(([name, schema]) => [names.get(name) ?? name, schema])
    )
  }
  return renamed
}

/**
 * Finishes the composed document for readers and generators:
 *
 * - It adds the prose and the examples of the references.
 * - It writes authentication schemes in lower case, and integers of a query as integers.
 * - It requires the title of problems, and removes bounds that only repeat the range of a safe integer.
 * - It shortens the names of components to the part that is public, and those of operations by the noun of their group.
 *
 * The returned function throws when two components or two operations then have one name.
 *
 * @category documents
 * @since 0.1.0
 */
export const document =
  (references: ReadonlyArray<Reference>) =>
  (specification: Readonly<Record<string, unknown>>): Record<string, unknown> => {
    const copy: Node = structuredClone(specification)
    for (const scheme of children(child(child(copy, "components"), "securitySchemes"))) {
      const name = scheme["scheme"]
      if (typeof name === "string") scheme["scheme"] = name.toLowerCase()
    }
    correctIntegers(copy)
    removeUnsafeBounds(copy)
    requireTitles(child(child(copy, "components"), "schemas"))
    addReferences(copy, references)
    renameOperations(copy)
    return renameComponents(copy)
  }
