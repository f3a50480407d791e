/** The answers of the reference's examples: compared by their form, and written into the packages' files. */
import * as Reference from "@hypermarket/core/Reference"
import { Schema } from "effect"
import { globSync, readFileSync, writeFileSync } from "node:fs"
import * as Path from "node:path"
import { isDeepStrictEqual } from "node:util"

const packages = Path.resolve(import.meta.dirname, "../../../packages")

/** Values that differ from run to run, by their form. */
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/
const secret = /^hm_[0-9a-f]{32}_[\w-]{43}$/
const numberOf: ReadonlySet<string> = new Set([
  "version",
  // Of the steps that there are.
  "migrations",
  "currentVersion",
  "oldestAgeSeconds",
  "batchMillis",
  "latencyMicros",
  "score",
  // Of an event of Sentry, in seconds.
  "timestamp",
  // Of the entries that the examples before it have recorded.
  "unsealed"
])
const textOf: ReadonlySet<string> = new Set([
  "nextCursor",
  "installedRelease",
  "nodeRelease",
  "postgresRelease",
  "newestMigration",
  "event_id",
  "queryId",
  "seq",
  "versionId",
  "indexVersion",
  "activeVersion",
  "previousVersion"
])

/** A value with what differs from run to run replaced by its name. */
export const formOf = (value: Schema.Json, name = ""): Schema.Json => {
  if (typeof value === "number") return numberOf.has(name) ? `<${name}>` : value
  if (typeof value === "string") {
    if (textOf.has(name)) return `<${name}>`
    if (instant.test(value)) return "<instant>"
    return secret.test(value) ? "<secret>" : value.replaceAll(uuid, "<uuid>")
  }
  if (Array.isArray(value)) return value.map((element) => formOf(element, name))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, formOf(member, key)]))
}

export interface Answer {
  readonly status: number
  readonly body: Schema.Json | undefined
}

export const formOfAnswer = ({ body, status }: Answer) => ({ status, body: formOf(body ?? null) })

const isAsWritten = (example: Reference.Example, answer: Answer): boolean =>
  isDeepStrictEqual(formOfAnswer(answer), formOfAnswer({ status: example.status, body: example.response }))

/** Opens nothing, whatever its id. */
const noSecret = "A".repeat(43)

/** A response without the secrets of this run. */
const published = (value: Schema.Json): Schema.Json =>
  Schema.decodeSync(Schema.fromJsonString(Schema.Json))(
    JSON.stringify(value).replaceAll(/(?<=hm_[0-9a-f]{32}_)[\w-]{43}/g, noSecret)
  )

/** Writes the responses that differ. Others keep the ids and instants that they have. */
export const update = (answers: ReadonlyMap<string, Answer>) => {
  for (const file of globSync("*/src/*Api.examples.json", { cwd: packages })) {
    const written = Schema.decodeUnknownSync(Schema.fromJsonString(Reference.Examples))(
      readFileSync(`${packages}/${file}`, "utf8")
    )
    const updated = Object.entries(written).map(([operation, list]) => [
      operation,
      list.map((example) => {
        const answer = answers.get(`${operation}/${example.name}`)
        if (answer === undefined || isAsWritten(example, answer)) return example
        return answer.body === undefined ? example : { ...example, response: published(answer.body) }
      })
    ])
    writeFileSync(`${packages}/${file}`, `${JSON.stringify(Object.fromEntries(updated), null, 2)}\n`)
  }
}
