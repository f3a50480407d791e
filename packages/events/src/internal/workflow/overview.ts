/** Workflows in pages that show more than one domain: alerts, and the executions of an order. */
import * as Now from "@hypermarket/core/Now"
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** As in the check of `doctor`. */
const waitedMillisMax = 30_000

interface Waiting {
  readonly name: string
  readonly version: number
  readonly count: number
  readonly since: Date
}

interface Diverging {
  readonly executionId: string
  readonly name: string
  readonly version: number
  readonly unasked: ReadonlyArray<string>
  readonly since: Date
}

interface Suspended {
  readonly executionId: string
  readonly name: string
  readonly error: string | null
  readonly since: Date
}

/** Versions without a worker, executions whose code has changed, and those that a failure has suspended. */
export const alerts: Overview.Alerts<SqlClient.SqlClient | Tenant> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const before = new Date((yield* Now.now).getTime() - waitedMillisMax)
  const waiting = yield* sql<Waiting>`
    SELECT name, version, count(*)::int AS count, min(ready_at) AS since
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenant.id} AND state = 'ready' AND ready_at < ${before}
     GROUP BY name, version
     ORDER BY min(ready_at)
     LIMIT ${Overview.alertsMax}
  `
  const suspended = yield* sql<Suspended>`
    SELECT execution_id AS "executionId", name, error, updated_at AS since
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenant.id} AND needs_resume AND state = 'suspended'
     ORDER BY updated_at
     LIMIT ${Overview.alertsMax}
  `
  const diverging = yield* sql<Diverging>`
    SELECT execution_id AS "executionId", name, version, unasked, updated_at AS since
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenant.id} AND unasked <> '{}' AND finished_at IS NULL
     ORDER BY updated_at
     LIMIT ${Overview.alertsMax}
  `
  return [
    ...waiting.map(
      ({ count, name, since, version }) =>
        new Overview.Alert({
          kind: "workflow.waiting",
          severity: "critical",
          subject: `${name} ${version}`,
          value: count,
          since: DateTime.fromDateUnsafe(since),
          data: { name, version }
        })
    ),
    ...diverging.map(
      ({ executionId, name, since, unasked, version }) =>
        new Overview.Alert({
          kind: "workflow.diverging",
          severity: "warning",
          subject: executionId,
          value: unasked.length,
          since: DateTime.fromDateUnsafe(since),
          data: { name, version, activity: unasked[0] ?? null }
        })
    ),
    ...suspended.map(
      ({ error, executionId, name, since }) =>
        new Overview.Alert({
          kind: "workflow.suspended",
          severity: "warning",
          subject: executionId,
          value: null,
          since: DateTime.fromDateUnsafe(since),
          data: { name, error }
        })
    )
  ].slice(0, Overview.alertsMax)
})

interface Row {
  readonly itemId: string
  readonly at: Date
  readonly kind: string
  readonly executionId: string
  readonly workflow: string
  readonly task: string | null
  readonly outcome: string | null
}

/** The executions of an order, those whose payload has its `orderId`: their start, their tasks and their end. */
export const timeline: Overview.Timeline<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* ({
  before,
  limit,
  subject
}: Overview.TimelineRequest) {
  if (subject.kind !== "order") return []
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const at = before?.at ?? null
  const rows = yield* sql<Row>`
    WITH execution AS (
      SELECT execution_id, name, state, recorded_at, finished_at
        FROM hm_workflow_execution
       WHERE tenant_id = ${tenant.id} AND order_id = ${subject.id}
    ), item AS (
      SELECT execution_id AS item_id, recorded_at AS at, 'workflow.started' AS kind, execution_id, name, NULL AS task,
             NULL AS outcome
        FROM execution
       UNION ALL
      SELECT execution_id || ' end', finished_at, 'workflow.' || state, execution_id, name, NULL, NULL
        FROM execution
       WHERE finished_at IS NOT NULL
       UNION ALL
      SELECT e.execution_id || ' ' || t.position, t.finished_at, 'workflow.task', e.execution_id, e.name, t.name, t.outcome
        FROM execution e
        JOIN hm_workflow_task t
          ON t.tenant_id = ${tenant.id} AND t.execution_id = e.execution_id
       WHERE t.finished_at IS NOT NULL
    ), shown AS (
      SELECT item_id COLLATE "C" AS "itemId", date_trunc('milliseconds', at) AS at, kind, execution_id AS "executionId",
             name AS workflow, task, outcome
        FROM item
    )
    SELECT *
      FROM shown
     WHERE ${at}::timestamptz IS NULL
        OR (at, "itemId") < (${at}::timestamptz, ${before?.itemId ?? null}::text COLLATE "C")
     ORDER BY at DESC, "itemId" DESC
     LIMIT ${limit}
  `
  return rows.map(
    (row) =>
      new Overview.TimelineItem({
        itemId: row.itemId,
        at: DateTime.fromDateUnsafe(row.at),
        kind: row.kind,
        data:
          row.task === null
            ? { workflow: row.workflow }
            : { workflow: row.workflow, task: row.task, outcome: row.outcome },
        links: [{ kind: "workflow", id: row.executionId }]
      })
  )
})
