/**
 * The generated files of `@hypermarket/client`: types of every operation, and the table by which the client sends them.
 *
 * Made from the document that the API serves, and not from the groups: a published declaration of those would need effect.
 */

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nodeOf = (value: unknown): Node => (isNode(value) ? value : {})

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const nodesOf = (value: unknown): ReadonlyArray<Node> => listOf(value).filter(isNode)

const unsupported = (what: unknown): never => {
  throw new TypeError(`The generator does not support ${JSON.stringify(what).slice(0, 300)}`)
}

const componentPrefix = "#/components/schemas/"

const componentOf = (schema: Node): string | undefined => {
  const reference = schema["$ref"]
  return typeof reference === "string" ? reference.slice(componentPrefix.length) : undefined
}

/** Keys of a schema that restrict a type and are not part of it. */
const restrictions: ReadonlySet<string> = new Set([
  "default",
  "description",
  "exclusiveMaximum",
  "exclusiveMinimum",
  "format",
  "maxItems",
  "maxLength",
  "maxProperties",
  "maximum",
  "minItems",
  "minLength",
  "minProperties",
  "minimum",
  "multipleOf",
  "pattern",
  "propertyNames",
  "title",
  "uniqueItems"
])

const typeKeys: ReadonlySet<string> = new Set([
  "$ref",
  "additionalProperties",
  "anyOf",
  "enum",
  "items",
  "oneOf",
  "patternProperties",
  "prefixItems",
  "properties",
  "required",
  "type"
])

const keyOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

const commentOf = (text: string, indent: string): string =>
  `${indent}/** ${text.replaceAll("*/", "*\\/").replaceAll(/\s*\n\s*/g, " ")} */\n`

interface Types {
  /** The public name of each component. */
  readonly names: ReadonlyMap<string, string>
  /** Of a value without a schema: a caller may send anything, and receives JSON. */
  readonly any: "Json" | "unknown"
}

const objectType = (types: Types, schema: Node, indent: string): string => {
  const properties = Object.entries(nodeOf(schema["properties"]))
  const patterns = Object.values(nodeOf(schema["patternProperties"]))
  const rest = patterns.length > 0 ? patterns[0] : schema["additionalProperties"]
  if (patterns.length > 1) unsupported(schema)
  if (properties.length === 0) {
    return rest === false
      ? "Readonly<Record<string, never>>"
      : `{ readonly [key: string]: ${typeOf(types, nodeOf(rest), indent)} }`
  }
  const isOpen = rest !== undefined && rest !== false
  const required = new Set(listOf(schema["required"]))
  const inner = `${indent}  `
  const fields = properties.map(
    ([name, value]) =>
      `${inner}readonly ${keyOf(name)}${required.has(name) ? "" : "?"}: ${typeOf(types, nodeOf(value), inner)}\n`
  )
  if (isOpen) fields.push(`${inner}readonly [key: string]: ${types.any}\n`)
  return `{\n${fields.join("")}${indent}}`
}

/** Not a number, or beyond one: answers have neither, and JSON cannot hold them. */
const isNonFinite = (schema: Node): boolean => listOf(schema["enum"]).includes("NaN")

const unionType = (types: Types, members: ReadonlyArray<Node>, indent: string): string =>
  Array.from(
    new Set(members.filter((member) => !isNonFinite(member)).map((one) => typeOf(types, one, indent)))
  ).join(" | ")

const typeOf = (types: Types, schema: Node, indent: string): string => {
  const unknown = Object.keys(schema).filter((key) => !restrictions.has(key) && !typeKeys.has(key))
  if (unknown.length > 0) unsupported(schema)
  const component = componentOf(schema)
  if (component !== undefined) return types.names.get(component) ?? unsupported(schema)
  const members = schema["anyOf"] ?? schema["oneOf"]
  if (members !== undefined) return unionType(types, nodesOf(members), indent)
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" | ")
  const type = schema["type"]
  if (Array.isArray(type)) {
    return unionType(
      types,
      type.map((one: unknown) => ({ ...schema, type: one })),
      indent
    )
  }
  switch (type) {
    case undefined:
      return types.any
    case "string":
      return "string"
    case "integer":
    case "number":
      return "number"
    case "boolean":
      return "boolean"
    case "null":
      return "null"
    case "array":
      return Array.isArray(schema["prefixItems"])
        ? `readonly [${nodesOf(schema["prefixItems"])
            .map((one) => typeOf(types, one, indent))
            .join(", ")}]`
        : `ReadonlyArray<${typeOf(types, nodeOf(schema["items"]), indent)}>`
    case "object":
      return objectType(types, schema, indent)
    default:
      return unsupported(schema)
  }
}

interface Operation {
  readonly group: string
  readonly name: string
  readonly method: string
  readonly path: string
  readonly operation: Node
}

/** Every path of the API begins with it; the table leaves it out. */
const prefix = "/v1/"

const methods = ["get", "post", "put", "patch", "delete"] as const

const operationsOf = (document: Node): ReadonlyArray<Operation> =>
  Object.entries(nodeOf(document["paths"])).flatMap(([path, item]) => {
    if (!path.startsWith(prefix)) unsupported({ path })
    return methods.flatMap((method) => {
      const operation = nodeOf(item)[method]
      if (!isNode(operation)) return []
      const [group = "", name = ""] = String(operation["operationId"]).split(".")
      return [{ group, name, method: method.toUpperCase(), path: path.slice(prefix.length), operation }]
    })
  })

const jsonType = "application/json"
const eventType = "application/cloudevents+json"

interface Parameter {
  readonly name: string
  readonly in: string
  readonly isRequired: boolean
  readonly schema: Node
}

const parametersOf = (operation: Node): ReadonlyArray<Parameter> =>
  nodesOf(operation["parameters"]).map((parameter) => ({
    name: String(parameter["name"]),
    in: String(parameter["in"]),
    isRequired: parameter["required"] === true,
    schema: nodeOf(parameter["schema"])
  }))

const contentOf = (node: unknown): Node => nodeOf(nodeOf(node)["content"])

const successesOf = (operation: Node): ReadonlyArray<Node> =>
  Object.entries(nodeOf(operation["responses"])).flatMap(([status, response]) =>
    Number(status) < 300 ? [contentOf(response)] : []
  )

const isRaw = (operation: Node): boolean =>
  successesOf(operation).some((content) => Object.keys(content).some((type) => type !== jsonType))

const responseType = (types: Types, operation: Node): string => {
  if (isRaw(operation)) return "Response"
  const found = successesOf(operation).map((content) =>
    content[jsonType] === undefined
      ? "void"
      : typeOf(types, nodeOf(nodeOf(content[jsonType])["schema"]), "    ")
  )
  return Array.from(new Set(found)).join(" | ")
}

const hasHeader = (operation: Node, name: string): boolean =>
  parametersOf(operation).some((parameter) => parameter.in === "header" && parameter.name === name)

const isPaged = (operation: Node): boolean =>
  parametersOf(operation).some((parameter) => parameter.in === "query" && parameter.name === "cursor")

const isPublication = (operation: Node): boolean =>
  contentOf(operation["requestBody"])[eventType] !== undefined

const bodyType = (types: Types, operation: Node): string => {
  if (isPublication(operation)) return "CloudEvent | ReadonlyArray<CloudEvent>"
  const media = contentOf(operation["requestBody"])[jsonType]
  return media === undefined
    ? unsupported(operation["requestBody"])
    : typeOf(types, nodeOf(nodeOf(media)["schema"]), "      ")
}

interface Field {
  readonly name: string
  readonly isRequired: boolean
  readonly text: string
}

const fieldsOf = (types: Types, operation: Node): ReadonlyArray<Field> => {
  const fields: Array<Field> = parametersOf(operation).flatMap((parameter) => {
    if (parameter.in === "header") return []
    const isRequired = parameter.in === "path" || parameter.isRequired
    const type = typeOf(types, parameter.schema, "      ")
    return [
      {
        name: parameter.name,
        isRequired,
        text: `      readonly ${keyOf(parameter.name)}${isRequired ? "" : "?"}: ${type}\n`
      }
    ]
  })
  if (hasHeader(operation, "if-match")) {
    const text = `${commentOf("The version that was read.", "      ")}      readonly version: number\n`
    fields.push({ name: "version", isRequired: true, text })
  }
  if (isNode(operation["requestBody"])) {
    const isRequired = operation["requestBody"]["required"] === true
    const text = `      readonly body${isRequired ? "" : "?"}: ${bodyType(types, operation)}\n`
    fields.push({ name: "body", isRequired, text })
  }
  if (new Set(fields.map(({ name }) => name)).size < fields.length) unsupported(operation["operationId"])
  return fields
}

const methodText = (
  types: Readonly<Record<"input" | "output", Types>>,
  { name, operation }: Operation
): string => {
  const fields = fieldsOf(types.input, operation)
  const isOptional = fields.every(({ isRequired }) => !isRequired)
  const input =
    fields.length === 0
      ? "input?: Readonly<Record<string, never>>"
      : `input${isOptional ? "?" : ""}: {\n${fields.map(({ text }) => text).join("")}    }`
  const response = responseType(types.output, operation)
  const prose = `${String(operation["summary"])}. ${String(operation["description"])}`
  const result = isPaged(operation) ? `Paged<${response}>` : `Promise<${response}>`
  return `${commentOf(prose, "    ")}    ${keyOf(name)}(${input}, options?: CallOptions): ${result}\n`
}

const rowText = ({ method, operation, path }: Operation): string => {
  const flags = [
    isPaged(operation) ? "p" : "",
    hasHeader(operation, "if-match") ? "m" : "",
    hasHeader(operation, "idempotency-key") ? "i" : "",
    isPublication(operation) ? "e" : "",
    isRaw(operation) ? "r" : ""
  ].join("")
  return [method, path, ...(flags === "" ? [] : [flags])].join(" ")
}

/** `MoneyEncoded` is `Money` to a caller, who sees no other form of it. */
const namesOf = (schemas: Node): ReadonlyMap<string, string> => {
  const names = new Map(
    Object.keys(schemas).map((name) => [name, name.replace(/_\d+$/, "").replace(/Encoded$/, "")])
  )
  const counts = Map.groupBy(names.values(), (name) => name)
  for (const [name, list] of counts) if (list.length > 1) unsupported({ twice: name })
  return names
}

/** The components that a part of the document refers to, directly or not. */
const reachable = (schemas: Node, start: unknown): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (!isNode(value)) return
    const component = componentOf(value)
    if (component !== undefined && !found.has(component)) {
      found.add(component)
      visit(schemas[component])
    }
    for (const [name, member] of Object.entries(value)) if (name !== "examples") visit(member)
  }
  visit(start)
  return found
}

const isProblem = (schema: unknown): boolean => {
  const { status, title, type } = nodeOf(nodeOf(schema)["properties"])
  return isNode(type) && isNode(status) && isNode(title)
}

const header =
  "// Generated from the API's document: `pnpm generate`. A list of all operations, whatever its length.\n"

/** The text of each generated file, by its name. */
export interface ClientSource {
  readonly "operations.ts": string
  readonly "table.ts": string
}

/** Throws when the document has a form that the generator does not know. */
export const make = (document: Node): ClientSource => {
  const schemas = nodeOf(nodeOf(document["components"])["schemas"])
  const names = namesOf(schemas)
  const types = { input: { names, any: "unknown" }, output: { names, any: "Json" } } as const
  const operations = operationsOf(document)
  const received = reachable(
    schemas,
    operations.map(({ operation }) => operation["responses"])
  )
  const used = operations.map(({ operation }) => [operation["responses"], operation["requestBody"]])
  const models = Array.from(reachable(schemas, used))
    .toSorted()
    .map((name) => {
      const text = typeOf(received.has(name) ? types.output : types.input, nodeOf(schemas[name]), "")
      return `export type ${names.get(name) ?? name} = ${text}\n`
    })
  const problems = Object.keys(schemas)
    .filter((name) => isProblem(schemas[name]))
    .map((name) => names.get(name) ?? name)
    .toSorted()
  const groups = Array.from(Map.groupBy(operations, ({ group }) => group))
  const interfaces = groups.map(
    ([group, members]) =>
      `  readonly ${keyOf(group)}: {\n${members.map((member) => methodText(types, member)).join("")}  }\n`
  )
  const rows = groups.map(
    ([group, members]) =>
      `  ${keyOf(group)}: {\n${members.map((member) => `    ${keyOf(member.name)}: ${JSON.stringify(rowText(member))}`).join(",\n")}\n  }`
  )
  return {
    "operations.ts": [
      header,
      `import type { CallOptions, CloudEvent, Paged } from "./call.ts"\n\n`,
      "/** A value of JSON. */\n",
      "export type Json =\n  | null\n  | boolean\n  | number\n  | string\n  | ReadonlyArray<Json>\n  | { readonly [key: string]: Json }\n\n",
      models.join("\n"),
      `\n/** Every problem that an operation declares. */\nexport type KnownProblem =\n  | ${problems.join("\n  | ")}\n`,
      `\n/** Every operation, by group. */\nexport interface Operations {\n${interfaces.join("")}}\n`
    ].join(""),
    "table.ts": [
      header,
      "/** Method, path below /v1/, and flags: pages, condition, idempotency key, event, raw response. */\n",
      "export const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {\n",
      rows.join(",\n"),
      "\n}\n"
    ].join("")
  }
}
