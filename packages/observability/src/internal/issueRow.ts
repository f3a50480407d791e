/**
 * Rows of issues and events as instances of their models.
 */
import * as Column from "@hypermarket/core/Column"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { zstdDecompressSync } from "node:zlib"
import { Issue, IssueEvent, IssueEventData, IssueId } from "../Issue.ts"
import * as Columns from "./columns.ts"
import { isRecord, parseJson } from "./envelope.ts"
import * as IssueState from "./issueState.ts"
import type { State } from "./lifecycle.ts"
import * as SourceMaps from "./sourceMaps.ts"

export const columns = `
  issue_id::text AS "issueId", project_id AS "projectId", kind, title, culprit, level, status,
  merged_into::text AS "mergedInto", assignee, event_count AS "eventCount", sampled_count AS "sampledCount", user_count AS "userCount",
  first_seen AS "firstSeen", last_seen AS "lastSeen", first_release AS "firstRelease", last_release AS "lastRelease",
  resolution, mute, regressed_at AS "regressedAt", version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const decodeRow = Schema.decodeUnknownEffect(
  Schema.Struct({
    ...Issue.fields,
    eventCount: Columns.Count,
    sampledCount: Columns.Count,
    userCount: Columns.Count,
    firstSeen: Column.Timestamp,
    lastSeen: Column.Timestamp,
    resolution: Schema.Unknown,
    mute: Schema.Unknown,
    regressedAt: Schema.NullOr(Column.Timestamp),
    recordedAt: Column.Timestamp,
    updatedAt: Column.Timestamp
  })
)

const resolutionOf = (state: State): Issue["resolution"] =>
  state.status === "resolved"
    ? {
        in: state.resolution.in,
        release: state.resolution.release,
        at: DateTime.makeUnsafe(state.resolution.atMillis)
      }
    : null

const muteOf = (state: State): Issue["mute"] =>
  state.status === "muted"
    ? {
        until: state.mute.untilMillis === null ? null : DateTime.makeUnsafe(state.mute.untilMillis),
        eventsLeft: state.mute.eventsLeft,
        window: state.mute.window,
        escalating: state.mute.escalating
      }
    : null

/** An issue with the state that decides. */
export interface Read {
  readonly issue: Issue
  readonly state: State
}

/** A row of ours that does not decode is a defect. */
export const decode = (row: unknown): Effect.Effect<Read> =>
  Effect.orDie(
    Effect.map(decodeRow(row), (fields) => {
      const state = IssueState.decode({
        status: fields.status,
        resolution: Columns.jsonOf(fields.resolution),
        mute: Columns.jsonOf(fields.mute)
      })
      return { issue: new Issue({ ...fields, resolution: resolutionOf(state), mute: muteOf(state) }), state }
    })
  )

export const eventColumns = `
  event_id::text AS "eventId", issue_id::text AS "issueId", project_id AS "projectId", level, title, release, environment,
  trace_id AS "traceId", occurred_at AS "occurredAt", received_at AS "receivedAt", is_skewed AS "isSkewed"
`

const eventFields = {
  ...IssueEvent.fields,
  issueId: IssueId,
  occurredAt: Column.Timestamp,
  receivedAt: Column.Timestamp
}

const decodeEventRow = Schema.decodeUnknownEffect(Schema.Struct({ ...eventFields, logId: Schema.String }))

/** The event and the id that orders it. */
export const decodeEvent = (row: unknown) =>
  Effect.orDie(
    Effect.map(decodeEventRow(row), ({ logId, ...fields }) => ({ logId, event: new IssueEvent(fields) }))
  )

const decodeDataRow = Schema.decodeUnknownEffect(
  Schema.Struct({ ...eventFields, data: Schema.instanceOf(Uint8Array<ArrayBufferLike>) })
)
const decodeJson = Schema.decodeUnknownEffect(Schema.Json)

/** The JSON of a stored item. */
const expand = (data: Uint8Array) =>
  Effect.orDie(decodeJson(parseJson(zstdDecompressSync(data).toString("utf8"))))

export const decodeEventData = Effect.fnUntraced(function* (row: unknown) {
  const { data, ...fields } = yield* Effect.orDie(decodeDataRow(row))
  const json = yield* expand(data)
  return new IssueEventData({
    ...fields,
    untranslatedDebugIds: isRecord(json) ? SourceMaps.wantedOf(json) : [],
    data: json
  })
})
