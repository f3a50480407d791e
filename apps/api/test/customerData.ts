/** Rows with data of customers in each place that may hold them. */
import { TenantId } from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const acme = TenantId.make("acme")

/** Texts that only the scope of their name shows. No other text has them. */
export const body = "body-of-nobody-else"
export const person = "person-of-nobody-else"

export const jobId = "0199b000-0000-7000-8000-000000000031"
export const endpointId = "0199b000-0000-7000-8000-000000000032"
export const deliveryId = "0199b000-0000-7000-8000-000000000033"
export const messageId = "0199b000-0000-7000-8000-000000000034"
export const eventId = "0199b00000007000800000000000003f"
export const executionId = "exec-4711"

export const makeRows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const json = JSON.stringify({ note: body })
  yield* sql`
    INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, payload, died_at)
    VALUES (${acme}, 'exports', ${jobId}::uuid, 'com.acme.export', 5, '[{"attempt":5,"error":"no answer"}]', ${json}, now())
  `
  yield* sql`
    INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, runs, payload, result, recorded_at,
                                       started_at, updated_at, finished_at)
    VALUES (${acme}, ${executionId}, 'fulfil-order', 1, 'succeeded', 1, ${json}, ${json}, now(), now(), now(), now())
  `
  yield* sql`
    INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, attempt, outcome, result, recorded_at, finished_at)
    VALUES (${acme}, ${executionId}, 'activity', 'reserve-stock', 1, 'succeeded', ${JSON.stringify({ value: body })}, now(), now())
  `
  yield* sql`
    INSERT INTO hm_webhook_endpoint (tenant_id, endpoint_id, url, description, filters, compiled, ordered, status,
                                     recorded_at, updated_at)
    VALUES (${acme}, ${endpointId}::uuid, 'https://erp.example/hooks', 'ERP', '[{"exact":{"type":"com.acme.moved"}}]',
            '$.type == "com.acme.moved"', false, 'enabled', now(), now())
  `
  yield* sql`
    INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
    VALUES (${acme}, ${messageId}::uuid, '/erp', 's-9', 'com.acme.moved', 'lamp-9', ${json}, now())
  `
  yield* sql`
    INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, attempts, sends, next_at,
                                     last_status, last_error, recorded_at, finished_at)
    VALUES (${acme}, ${deliveryId}::uuid, ${endpointId}::uuid, ${messageId}::uuid, 'lamp-9', 'dead', 3, 3, now(), 500,
            'Answered 500', now(), now())
  `
  yield* sql`
    INSERT INTO hm_webhook_attempt (tenant_id, delivery_id, attempted_at, number, status, error, duration_millis, answer)
    VALUES (${acme}, ${deliveryId}::uuid, now(), 3, 500, 'Answered 500', 12, convert_to(${json}, 'UTF8'))
  `
})

/** An event with data of a customer in every part that an SDK fills. */
export const errorEvent = {
  event_id: eventId,
  platform: "node",
  level: "error",
  release: "shop@7",
  user: { id: "c-9", email: `${person}@example.org` },
  request: { url: "https://shop.example/pay", data: { note: body } },
  breadcrumbs: { values: [{ message: body }] },
  extra: { basket: body },
  contexts: { basket: { note: body } },
  "of a later SDK": body,
  exception: {
    values: [
      {
        type: "RangeError",
        value: "no such lamp",
        mechanism: { type: "generic", handled: false, data: { note: body } },
        stacktrace: {
          frames: [
            { function: "pay", filename: "/app/pay.js", lineno: 7, in_app: true, vars: { note: body } }
          ]
        }
      }
    ]
  }
}
