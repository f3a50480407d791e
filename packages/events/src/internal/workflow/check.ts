/** The check of `doctor` for executions that no worker runs, for those whose code has changed, and for late clocks. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** A worker that has the version claims a job within a second, and starts within some: doctor names it within a minute. */
const waitedSecondsMax = 30
/** A clock is late by the claim of its job at most. */
const lateSecondsMax = 60
/** Maximum workflows that are named. */
const shownMax = 10
/** Maximum executions that are counted: the first of them show what is wrong. */
const countedMax = 10_000

export const check = Check.make(
  "workflows",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = (yield* Now.now).getTime()
    const waiting = yield* sql<{ readonly name: string; readonly version: number; readonly count: number }>`
        WITH waiting AS (
      SELECT name, version
        FROM hm_workflow_execution
       WHERE state = 'ready'
         AND ready_at < ${new Date(now - waitedSecondsMax * 1_000)}
       ORDER BY ready_at
       LIMIT ${countedMax})
      SELECT name, version, count(*)::integer AS count
        FROM waiting
       GROUP BY name, version
       ORDER BY count(*) DESC, name, version
       LIMIT ${shownMax}
    `
    const [clocks] = yield* sql<{ readonly count: number }>`
        WITH late AS (
      SELECT 1
        FROM hm_workflow_task
       WHERE due_at < ${new Date(now - lateSecondsMax * 1_000)}
         AND outcome IS NULL
       LIMIT ${countedMax})
      SELECT count(*)::integer AS count
        FROM late
    `
    const findings = waiting.map(({ count, name, version }): Check.Finding => ({
      status: "fail",
      message: `${count} executions of ${name}, version ${version}, have waited for a worker for more than ${waitedSecondsMax} s`,
      hint: "start a worker that has this version of the workflow, or cancel or kill the executions"
    }))
    const diverging = yield* sql<{ readonly name: string; readonly version: number; readonly count: number }>`
        WITH diverging AS (
      SELECT name, version
        FROM hm_workflow_execution
       WHERE unasked <> '{}'
         AND finished_at IS NULL
       LIMIT ${countedMax})
      SELECT name, version, count(*)::integer AS count
        FROM diverging
       GROUP BY name, version
       ORDER BY count(*) DESC, name, version
       LIMIT ${shownMax}
    `
    for (const { count, name, version } of diverging) {
      findings.push({
        status: "warn",
        message: `${count} executions of ${name}, version ${version}, no longer ask for activities that they recorded`,
        hint: "give changed code a new version, and start a worker with the old one; or cancel or kill the executions"
      })
    }
    const late = clocks?.count ?? 0
    findings.push(
      late > 0
        ? {
            status: "fail",
            message: `${late} clocks of workflows are late by more than ${lateSecondsMax} s`,
            hint: "start a worker, or more of them"
          }
        : { status: "ok", message: "no clock of a workflow is late" }
    )
    return findings
  })
)
