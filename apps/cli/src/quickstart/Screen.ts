/**
 * The output of the quickstart: at most 40 lines of 120 characters. Everything that the parts have to say is in `report.txt` of
 * the data folder.
 */
import * as Output from "../Output.ts"
import type { Installation, Part, Shown } from "./Part.ts"
import type * as Roles from "./Roles.ts"
import type * as Summary from "./Summary.ts"

export interface Result {
  readonly part: Part
  readonly shown: Shown
}

export interface Facts {
  readonly installation: Installation & { readonly workerUrl: string; readonly dataDirectory: string }
  readonly results: ReadonlyArray<Result>
  readonly tables: ReadonlyArray<Summary.TableCount>
  readonly consoleLink: string | undefined
  readonly commands: ReadonlyArray<string>
  readonly secretsFile: string | undefined
  readonly mailFolder: string | undefined
  readonly roles: Roles.Urls
  readonly millis: number
}

export const thousands = (count: number): string => count.toLocaleString("en-US")

const titleOf = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1)

/** The label is before the first line; the others begin where that one does. */
const labelled = (label: string, lines: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  lines.map((line, index) => [index === 0 ? `  ${label}` : "", line])

/** The screen. */
export const text = (facts: Facts): string => {
  const { commands, consoleLink, installation, millis, results, tables } = facts
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const where = [
    ...labelled("API", [`${installation.apiUrl}/docs has every operation with an example`]),
    ...(consoleLink === undefined
      ? []
      : labelled("Console", ["signed in for one browser, within ten minutes:", consoleLink])),
    ...labelled("Metrics", [`${installation.apiUrl}/metrics and ${installation.workerUrl}/metrics`]),
    ...labelled("Postgres", [installation.databaseUrl])
  ]
  const parts = results.flatMap(({ part, shown }) => labelled(titleOf(part.domain), shown.screen))
  const [head = [], ...rest] = [...where, ["", ""], ...parts]
  return [
    `Hypermarket runs: ${thousands(rows)} rows in ${tables.length} tables after ${Math.round(millis / 1000)} s`,
    "",
    Output.columns([head, ...rest]),
    "",
    "Try, in another terminal (hm is curl with the demo key)",
    ...commands.map((command) => `  ${command}`)
  ].join("\n")
}

/** The report. */
export const report = (facts: Facts): string => {
  const { installation, mailFolder, results, roles, secretsFile, tables } = facts
  return [
    Output.columns([
      ["API", installation.apiUrl],
      ["Worker", installation.workerUrl],
      ["Postgres", `${roles.api} as the application, which owns no table`],
      ["", `${roles.read} for dashboards, without keys and payloads`],
      ["", `${roles.owner} as the owner, for migrations and partitions`],
      ["Data", installation.dataDirectory],
      ["Tenant", installation.tenantId],
      ...(secretsFile === undefined
        ? []
        : [["Secrets", `${secretsFile}: the key that seals secrets; keep it with the data`]]),
      ...(mailFolder === undefined ? [] : [["Mail", `${mailFolder}: what was sent, to nobody`]])
    ]),
    ...results.flatMap(({ part, shown }) => [
      "",
      part.title,
      ...shown.lines.map((line) => `  ${line}`),
      ...(shown.next.length === 0 ? [] : ["", ...shown.next.map((line) => `  ${line}`)])
    ]),
    "",
    "Rows",
    Output.columns(tables.map(({ name, rows }) => [`  ${name}`, String(rows)])),
    ""
  ].join("\n")
}
