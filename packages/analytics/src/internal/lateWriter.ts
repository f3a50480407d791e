/**
 * The statement that keeps facts of retired orders: what they change is not known any more, and they are in no figure.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Statement } from "effect/sql/Statement"
import * as OrderColumns from "./orderColumns.ts"
import type { AdjustmentState, OrderState } from "./orderState.ts"

export type LateState = OrderState | AdjustmentState

interface LateRow {
  readonly orderId: string
  readonly kind: string
  readonly factId: string
  readonly version: bigint
  readonly at: Date
  readonly units: bigint
  readonly amount: bigint
  readonly tax: bigint
  readonly shipping: bigint
  readonly fees: bigint
}

const sum = (values: ReadonlyArray<bigint>): bigint => values.reduce((total, value) => total + value, 0n)

const rowOf = (state: LateState): LateRow => {
  const { orderId, version } = state
  if (state.kind === "order") {
    const { discounts, fees, gross, shippings, taxes, units } = OrderColumns.lineColumns([state])
    return {
      orderId,
      kind: state.kind,
      factId: orderId,
      version,
      at: state.orderedAt,
      units: sum(units),
      amount: sum(gross) - sum(discounts),
      tax: sum(taxes),
      shipping: sum(shippings),
      fees: sum(fees)
    }
  }
  return {
    orderId,
    kind: state.kind,
    factId: state.adjustmentId,
    version,
    at: state.bookedAt,
    units: sum(state.lines.map((line) => line.units)),
    amount: sum(state.lines.map((line) => line.amount)),
    tax: sum(state.lines.map((line) => line.tax)),
    shipping: sum(state.lines.map((line) => line.shipping)),
    fees: sum(state.lines.map((line) => line.fees))
  }
}

export const make = (sql: SqlClient.SqlClient) => {
  /** Keeps the highest version of each. */
  const park = (tenantId: string, states: ReadonlyArray<LateState>, now: Date): Statement<object> => {
    const rows = states.map(rowOf)
    return sql`
      INSERT INTO hm_order_late AS l (tenant_id, received_at, order_id, kind, fact_id, version, at, units, amount, tax,
                                      shipping, fees)
      SELECT ${tenantId}, ${now}, i.*
        FROM unnest(${rows.map(({ orderId }) => orderId)}::text[], ${rows.map(({ kind }) => kind)}::text[],
                    ${rows.map(({ factId }) => factId)}::text[], ${rows.map(({ version }) => version)}::bigint[],
                    ${rows.map(({ at }) => at)}::timestamptz[], ${rows.map(({ units }) => units)}::bigint[],
                    ${rows.map(({ amount }) => amount)}::bigint[], ${rows.map(({ tax }) => tax)}::bigint[],
                    ${rows.map(({ shipping }) => shipping)}::bigint[], ${rows.map(({ fees }) => fees)}::bigint[])
             AS i (order_id, kind, fact_id, version, at, units, amount, tax, shipping, fees)
       ORDER BY order_id COLLATE "C", kind COLLATE "C", fact_id COLLATE "C"
          ON CONFLICT (tenant_id, order_id, kind, fact_id)
          DO UPDATE SET version = excluded.version, received_at = excluded.received_at, at = excluded.at,
                        units = excluded.units, amount = excluded.amount, tax = excluded.tax,
                        shipping = excluded.shipping, fees = excluded.fees
       WHERE l.version < excluded.version
    `
  }

  return { park }
}
