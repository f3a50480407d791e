/** A sentence about a setting that is missing or wrong: its name, the form that is expected, and an example. */
import type { ConfigError } from "effect/Config"
import * as SchemaIssue from "effect/SchemaIssue"

const databaseExample = "postgres://shop:secret@127.0.0.1:5432/shop"

/** Settings whose form a reader cannot guess. */
const examplesByName: Readonly<Record<string, string>> = {
  DATABASE_URL: databaseExample,
  DATABASE_DIRECT_URL: databaseExample,
  DATABASE_OWNER_URL: databaseExample,
  HM_LOG_FORMAT: "pretty",
  HM_LOG_LEVEL: "Warn",
  HM_SECRETS_KEYS: "first:<32 random bytes in base64>",
  HM_API_URL: "https://hypermarket.example.com"
}

/** By a word of what was expected. */
const examplesByForm: ReadonlyArray<readonly [word: string, example: string]> = [
  ["Duration", "5 seconds"],
  ["number", "8080"],
  ["port", "8080"],
  ["integer", "10"],
  ["true", "true"]
]

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The value itself is left out: it may be a secret. */
export const textOf = (
  error: ConfigError,
  environment: Readonly<Record<string, string | undefined>>
): string => {
  if (error.cause._tag !== "SchemaError") return `Configuration: ${error.message}`
  const [issue] = format(error.cause.issue).issues
  const name = issue?.path?.map(String).join("_") ?? ""
  if (issue === undefined || name === "") return `Configuration: ${error.message}`
  const example = examplesByName[name] ?? examplesByForm.find(([word]) => issue.message.includes(word))?.[1]
  const advice =
    example === undefined ? "docs/operations.md has its form" : `for example ${name}="${example}"`
  if ((environment[name] ?? "") === "") return `${name} is not set: ${advice}`
  // A message with an example needs no other one.
  return `${name} is wrong. ${issue.message}${issue.message.includes("such as") ? "" : `, ${advice}`}`
}
