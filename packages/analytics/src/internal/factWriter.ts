/** Writes a batch of facts under the locks of their orders, and returns the outcome of each. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { IsolationRefused } from "../OrderFactOutcome.ts"
import * as CreditWriter from "./creditWriter.ts"
import * as LateWriter from "./lateWriter.ts"
import * as OrderColumns from "./orderColumns.ts"
import * as OrderState from "./orderState.ts"
import * as OrderWriter from "./orderWriter.ts"

/** Orders of a change up to which its plan is kept; a plan for more is made for their number. */
const planKeptMax = 20

/** Outcomes of the facts that are written. */
type Outcomes = Map<OrderState.State, OrderState.Gated | "waiting" | "late">

export const make = (sql: SqlClient.SqlClient, instead: Partial<OrderWriter.OrderWriter>) => {
  const writer = { ...OrderWriter.make(sql), ...instead }
  const creditWriter = CreditWriter.make(sql)
  const lateWriter = LateWriter.make(sql)

  const lock = Effect.fnUntraced(function* (
    tenantId: string,
    orderIds: ReadonlyArray<string>,
    isOwn: boolean
  ): Effect.fn.Return<ReadonlyMap<string, OrderWriter.Head>, IsolationRefused | SqlError> {
    if (orderIds.length === 0) return new Map()
    // A caller's other statements are not ours to plan.
    const heads = yield* writer.lock(tenantId, orderIds, isOwn && orderIds.length <= planKeptMax)
    const refused = heads.find(({ isolation }) => isolation !== "read committed")
    if (refused !== undefined) return yield* new IsolationRefused({ isolation: refused.isolation })
    return new Map(heads.map((head) => [head.orderId, head]))
  })

  /** Inserts new orders, and returns the orders that existed already. */
  const place = Effect.fnUntraced(function* (
    tenantId: string,
    orders: ReadonlyArray<OrderState.OrderState>,
    now: Date
  ) {
    if (orders.length === 0) return orders
    const placed = yield* writer.place(
      tenantId,
      OrderColumns.headColumns(orders),
      OrderColumns.lineColumns(orders),
      now
    )
    const ids = new Set(placed.map(({ orderId }) => orderId))
    return orders.filter((order) => !ids.has(order.orderId))
  })

  /** Places what is told as new, locks and compares the rest; the outcome of each winner of the batch. */
  const write = Effect.fnUntraced(function* (
    tenantId: string,
    batch: OrderState.Batch,
    now: Date,
    run: { readonly isTried: boolean; readonly isOwn: boolean }
  ) {
    const outcomes: Outcomes = new Map()
    const placeNew = Effect.fnUntraced(function* (orders: ReadonlyArray<OrderState.OrderState>) {
      const existing = yield* place(tenantId, orders, now)
      for (const order of orders) if (!existing.includes(order)) outcomes.set(order, "applied")
      return existing
    })
    const existing = run.isTried
      ? batch.orders
      : [
          ...(yield* placeNew(batch.orders.filter((order) => order.isNew))),
          ...batch.orders.filter((order) => !order.isNew)
        ]
    const isPlaced = new Set(
      batch.orders.filter((order) => outcomes.has(order)).map(({ orderId }) => orderId)
    )
    const adjustedIds = OrderState.idsOf(batch.adjustments).filter((id) => !isPlaced.has(id))
    const heads = new Map(
      yield* lock(tenantId, Array.from(new Set([...OrderState.idsOf(existing), ...adjustedIds])), run.isOwn)
    )
    const raced = yield* placeNew(existing.filter((order) => !heads.has(order.orderId)))
    for (const [id, head] of yield* lock(tenantId, OrderState.idsOf(raced), run.isOwn)) heads.set(id, head)
    const isRetired = ({ orderId }: { readonly orderId: string }) => heads.get(orderId)?.isRetired === true
    const newer = existing.filter((order) => {
      if (outcomes.has(order)) return false
      const head = heads.get(order.orderId)
      const gated = OrderState.gate(order, head?.version ?? 0n, head?.bodyHash ?? "")
      outcomes.set(order, gated)
      return gated === "applied"
    })
    const adjustments = batch.adjustments.filter((state) => !isRetired(state))
    yield* park(tenantId, [...newer.filter(isRetired), ...batch.adjustments.filter(isRetired)], now, outcomes)
    const changed = newer.filter((order) => !isRetired(order))
    if (changed.length > 0) {
      yield* writer.apply(tenantId, OrderColumns.headColumns(changed), OrderColumns.lineColumns(changed), now)
    }
    if (adjustments.length > 0) {
      const hasHead = new Set([...heads.keys(), ...OrderState.idsOf(existing)])
      const headless = adjustedIds.filter((id) => !hasHead.has(id))
      if (headless.length > 0) yield* writer.stub(tenantId, headless)
      yield* adjust(tenantId, adjustments, now, outcomes)
      const isKnown = new Set([
        ...OrderState.idsOf(batch.orders),
        ...Array.from(heads.values(), ({ orderId, version }) => (BigInt(version) > 0n ? orderId : ""))
      ])
      for (const state of adjustments) {
        if (outcomes.get(state) === "applied" && !isKnown.has(state.orderId)) outcomes.set(state, "waiting")
      }
    }
    if (batch.credits.length > 0) yield* credit(tenantId, batch.credits, now, outcomes)
    return outcomes
  })

  /** Of orders whose heads are locked. */
  const park = Effect.fnUntraced(function* (
    tenantId: string,
    late: ReadonlyArray<LateWriter.LateState>,
    now: Date,
    outcomes: Outcomes
  ) {
    if (late.length === 0) return
    yield* lateWriter.park(tenantId, late, now)
    for (const state of late) outcomes.set(state, "late")
  })

  const credit = Effect.fnUntraced(function* (
    tenantId: string,
    credits: ReadonlyArray<OrderState.CreditState>,
    now: Date,
    outcomes: Outcomes
  ) {
    const existing = yield* creditWriter.add(tenantId, OrderColumns.creditColumns(credits), now)
    const locked =
      existing.length === 0
        ? []
        : yield* creditWriter.lock(
            tenantId,
            existing.map(({ creditId }) => creditId)
          )
    const refused = locked.find(({ isolation }) => isolation !== "read committed")
    if (refused !== undefined) return yield* new IsolationRefused({ isolation: refused.isolation })
    const stored = new Map(locked.map((row) => [row.creditId, row]))
    const newer = credits.filter((state) => {
      const row = stored.get(state.creditId)
      const gated = row === undefined ? "applied" : OrderState.gate(state, row.version, row.bodyHash)
      outcomes.set(state, gated)
      return row !== undefined && gated === "applied"
    })
    if (newer.length > 0) yield* creditWriter.replace(tenantId, OrderColumns.creditColumns(newer), now)
  })

  const adjust = Effect.fnUntraced(function* (
    tenantId: string,
    adjustments: ReadonlyArray<OrderState.AdjustmentState>,
    now: Date,
    outcomes: Outcomes
  ) {
    const stored = yield* writer.book(tenantId, OrderColumns.adjustmentColumns(adjustments), now)
    const gates = new Map(
      stored.map((gate) => [OrderState.nameOf(gate.kind, gate.orderId, gate.adjustmentId), gate])
    )
    const newer: Array<OrderState.AdjustmentState> = []
    for (const adjustment of adjustments) {
      const { adjustmentId, kind, orderId } = adjustment
      const gate = gates.get(OrderState.nameOf(kind, orderId, adjustmentId))
      const gated =
        gate === undefined ? "applied" : OrderState.gate(adjustment, gate.storedVersion, gate.storedHash)
      outcomes.set(adjustment, gated)
      if (gate !== undefined && gated === "applied") newer.push(adjustment)
    }
    if (newer.length === 0) return
    yield* writer.adjust(tenantId, OrderState.idsOf(newer), OrderColumns.adjustmentColumns(newer), now)
  })

  return { place, write }
}
