/** The last runs of a schedule: in its row, with the outcome that the queue knows. */
import type { Tenant } from "@hypermarket/core/Tenant"
import type * as QueueControl from "@hypermarket/queue/QueueControl"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { runsMax, ScheduleRun } from "../JobSchedule.ts"

/** A run as a row remembers it. */
export interface Run {
  readonly at: Date
  readonly jobId: string | null
}

/** The runs of a schedule `s` after those of a record `x`, whose `cancelled` names the job of an earlier run. */
export const remembered = (sql: SqlClient.SqlClient) => sql`
  (SELECT coalesce(json_agg(CASE WHEN run.value ->> 'jobId' = x.cancelled
                                 THEN run.value::jsonb || '{"cancelled":true}'
                                 ELSE run.value::jsonb END
                            ORDER BY run.place), '[]')
     FROM json_array_elements((x.runs::jsonb || s.runs::jsonb)::json) WITH ORDINALITY AS run (value, place)
    WHERE run.place <= ${runsMax})
`

const decode = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      at: Schema.DateTimeUtcFromString,
      jobId: Schema.NullOr(Schema.String),
      cancelled: Schema.optionalKey(Schema.Boolean)
    })
  )
)

/** Returns runs with their outcomes, newest first. */
export const outcomesOf = (
  control: QueueControl.QueueControl,
  queue: string,
  orderingKey: string,
  stored: unknown
): Effect.Effect<ReadonlyArray<ScheduleRun>, SqlError, Tenant> =>
  Effect.gen(function* () {
    const runs = yield* Effect.orDie(decode(stored))
    const jobIds = runs.flatMap(({ jobId }) => jobId ?? [])
    const outcomes = yield* control.outcomes(queue, orderingKey, jobIds)
    return runs.map(({ at, cancelled, jobId }) => {
      const row = jobId === null ? undefined : outcomes.get(jobId)
      return new ScheduleRun({
        at,
        jobId,
        outcome: jobId === null ? "skipped" : cancelled === true ? "cancelled" : (row?.outcome ?? "done"),
        error: row?.error ?? null
      })
    })
  })
