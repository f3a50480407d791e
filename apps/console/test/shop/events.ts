/** A webhook endpoint that fails, and executions of a workflow. */
import { Tenant } from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const endpointId = "0199b000-0000-7000-8000-000000000010"
export const deliveryId = "0199b000-0000-7000-8000-000000000012"

/** An endpoint with one delivery that was delivered and one that has used up its attempts. */
const makeWebhook = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id } = yield* Tenant
  yield* sql`
    INSERT INTO hm_webhook_endpoint (tenant_id, endpoint_id, url, description, filters, compiled, ordered, status,
                                     failing_since, last_error, recorded_at, updated_at)
    VALUES (${id}, ${endpointId}::uuid, 'https://erp.example/hooks/orders', 'ERP',
            '[{"exact":{"type":"com.acme.stock.moved"}}]', '$.type == "com.acme.stock.moved"', false, 'enabled',
            now() - interval '2 hours', 'Answered 503', now() - interval '3 days', now() - interval '3 days')
  `
  yield* sql`
    INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
    VALUES (${id}, '0199b000-0000-7000-8000-000000000011', '/erp', 's-1:moved', 'com.acme.stock.moved', 'lamp-1', '{}', now()),
           (${id}, '0199b000-0000-7000-8000-000000000013', '/erp', 's-2:moved', 'com.acme.stock.moved', 'lamp-2', '{}', now())
  `
  yield* sql`
    INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, attempts, sends, next_at,
                                     first_failed_at, last_status, last_error, recorded_at, finished_at)
    VALUES (${id}, ${deliveryId}::uuid, ${endpointId}::uuid, '0199b000-0000-7000-8000-000000000011', 'lamp-1', 'dead', 10, 10,
            now(), now() - interval '2 hours', 503, 'Answered 503', now() - interval '2 hours', now()),
           (${id}, '0199b000-0000-7000-8000-000000000014', ${endpointId}::uuid, '0199b000-0000-7000-8000-000000000013', 'lamp-2',
            'delivered', 1, 1, now(), NULL, 204, NULL, now() - interval '1 day', now() - interval '1 day')
  `
  yield* sql`
    INSERT INTO hm_webhook_attempt (tenant_id, delivery_id, attempted_at, number, status, error, duration_millis, answer)
    VALUES (${id}, ${deliveryId}::uuid, now(), 10, 503, 'Answered 503', 87,
            convert_to('{"message":"The ERP is in maintenance"}', 'UTF8'))
  `
})

export const executionId = "exec-1001"

/** An execution that a test cancels. */
export const cancelledId = "exec-1002"

/** Executions that wait for a resume, each with a child that is done. */
const makeWorkflow = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id } = yield* Tenant
  for (const parentId of [executionId, cancelledId]) {
    const childId = `${parentId}-label`
    yield* sql`
      INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, runs, needs_resume, payload, error,
                                         parent_id, result, recorded_at, started_at, updated_at, finished_at)
      VALUES (${id}, ${parentId}, 'fulfil-order', 3, 'suspended', 2, true, '{"orderId":"o-1001"}', 'The carrier is closed',
              NULL, NULL, now() - interval '1 hour', now() - interval '1 hour', now(), NULL),
             (${id}, ${childId}, 'print-label', 1, 'succeeded', 1, false, '{}', NULL,
              ${parentId}, '"label-7"', now() - interval '50 minutes', now() - interval '50 minutes', now(), now())
    `
    yield* sql`
      INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, attempt, outcome, result, child_id, recorded_at,
                                    finished_at)
      VALUES (${id}, ${parentId}, 'activity', 'reserve-stock', 1, 'succeeded', '{"reserved":2}', NULL,
              now() - interval '55 minutes', now() - interval '55 minutes'),
             (${id}, ${parentId}, 'child', 'print-label', 1, 'succeeded', '"label-7"', ${childId},
              now() - interval '50 minutes', now() - interval '49 minutes'),
             (${id}, ${childId}, 'activity', 'ask-carrier', 1, 'succeeded', '"accepted"', NULL,
              now() - interval '50 minutes', now() - interval '49 minutes')
    `
  }
})

export const make = Effect.all([makeWebhook, makeWorkflow], { discard: true })
