/**
 * Finds, exports and erases a person in the activity log. A row stays, with the hashes of what was erased, so that the checkpoint
 * over it still holds; text and salt go, so that a guess cannot be checked. An entry names the rows.
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as SubjectData from "@hypermarket/core/SubjectData"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Canonical from "./canonical.ts"
import type { LogRow } from "./leaf.ts"
import * as Statements from "./statements.ts"
import { erasedAction } from "./verification.ts"
import * as Writing from "./writing.ts"

/** Rows that one call examines: well within its second. */
const examinedMax = 5_000

const table = "hm_platform_activity_log"
/** A checkpoint holds hashes and ids. */
const tables = [table, "hm_platform_activity_checkpoint"]

/** The person's names as whole strings of a canonical text. */
const marksOf = (subject: SubjectData.Subject): ReadonlyArray<string> =>
  Array.from(new Set([subject.id, ...subject.identifiers.map(({ value }) => value)]), Canonical.write)

const decodeText = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.JsonObject))

/** True when a string or a member's name anywhere within is one of the names. */
const mentions = (value: Schema.Json | undefined, names: ReadonlySet<string>): boolean => {
  if (typeof value === "string") return names.has(value)
  if (typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) return value.some((item) => mentions(item, names))
  return Object.entries(value).some(([name, member]) => names.has(name) || mentions(member, names))
}

/**
 * Returns a test of a canonical text: true when it names the person, in free text too. Its first members' names are ours, so that
 * only their values count.
 */
const testerOf = (subject: SubjectData.Subject): ((text: string | null) => boolean) => {
  const marks = marksOf(subject)
  const names = new Set([subject.id, ...subject.identifiers.map(({ value }) => value)])
  const isNamed = SubjectData.tester(subject)
  return (text) =>
    text !== null &&
    (isNamed(text) || marks.some((mark) => text.includes(mark))) &&
    Option.exists(decodeText(text), (members) =>
      Object.values(members).some((member) => mentions(member, names) || isNamed(JSON.stringify(member)))
    )
}

const decodeCursor = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String]))
)

const firstPosition = ["-infinity", "00000000-0000-0000-0000-000000000000"] as const

const make = (sql: SqlClient.SqlClient): SubjectData.SubjectData => {
  const statements = Statements.make(sql)
  const write = Writing.make(sql)

  const erase = Effect.fnUntraced(function* (subject: SubjectData.Subject, cursor?: string) {
    const tenant = yield* Tenant
    const [recordedAt, activityId] = Option.getOrElse(decodeCursor(cursor), () => firstPosition)
    const work = Effect.gen(function* () {
      const rows = yield* statements.after(tenant.id, { recordedAt, activityId }, examinedMax)
      const concerns = testerOf(subject)
      const actors = rows.filter(({ actor }) => concerns(actor))
      const details = rows.filter(({ detail }) => concerns(detail))
      const ids = Array.from(new Set([...actors, ...details].map((row) => row.activityId)))
      if (ids.length > 0) {
        yield* statements.forget(
          tenant.id,
          actors.map((row) => row.activityId),
          details.map((row) => row.activityId)
        )
        yield* write({
          action: erasedAction,
          target: { type: "activity", id: tenant.id },
          after: { activityIds: ids }
        })
      }
      const last = rows.length === examinedMax ? rows.at(-1) : undefined
      return {
        rows: ids.length,
        kept:
          ids.length === 0
            ? []
            : [{ table, rows: ids.length, reason: "the hashes of the rows, for the proof of the log" }],
        ...(last === undefined ? {} : { cursor: JSON.stringify([last.recordedAt, last.activityId]) })
      }
    })
    return yield* transactionOf(sql)(work)
  })

  const exported = (subject: SubjectData.Subject) => {
    const concerns = testerOf(subject)
    const toRow = (row: LogRow): ReadonlyArray<SubjectData.ExportedRow> =>
      concerns(row.actor) || concerns(row.detail)
        ? [
            {
              table,
              row: {
                activityId: row.activityId,
                recordedAt: row.recordedAt,
                action: row.action,
                actorType: row.actorType,
                actor: row.actor,
                targetType: row.targetType,
                detail: row.detail
              }
            }
          ]
        : []
    const start: readonly [recordedAt: string, activityId: string] = firstPosition
    return Stream.paginate(start, ([recordedAt, activityId]) =>
      Effect.gen(function* () {
        const tenant = yield* Tenant
        const rows = yield* statements.after(tenant.id, { recordedAt, activityId }, examinedMax)
        const last = rows.length === examinedMax ? rows.at(-1) : undefined
        const next = Option.map(Option.fromNullishOr(last), (row): typeof start => [
          row.recordedAt,
          row.activityId
        ])
        return [rows.flatMap(toRow), next] as const
      })
    )
  }

  return {
    tables,
    discover: () => Effect.succeed([]),
    export: exported,
    erase,
    eraseTenant: Effect.fnUntraced(function* () {
      const tenant = yield* Tenant
      const rows = yield* statements.drop(tenant.id)
      return { rows, kept: [] }
    })
  }
}

const current = Effect.map(SqlClient.SqlClient, make)

export const subjectData: SubjectData.SubjectData<SqlClient.SqlClient> = {
  tables,
  discover: (subject) => Effect.flatMap(current, (data) => data.discover(subject)),
  export: (subject) => Stream.unwrap(Effect.map(current, (data) => data.export(subject))),
  erase: (subject, cursor) => Effect.flatMap(current, (data) => data.erase(subject, cursor)),
  eraseTenant: (cursor) => Effect.flatMap(current, (data) => data.eraseTenant(cursor))
}
