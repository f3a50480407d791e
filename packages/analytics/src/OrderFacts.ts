/**
 * Order facts: orders, refunds and shipments as the shop tells them, kept whole and by version, and what each of them
 * changes in the figures.
 *
 * Every fact carries the whole state of its order, refund or shipment with a version. A repetition changes nothing, a
 * lower version than the one known changes nothing, and facts may come in any order: a refund before its order, a
 * correction before the placing. A change writes what it takes back and what it adds as signed rows into an append-only
 * log, so that writers share no row and an old order costs as much as a new one.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf } from "@hypermarket/core/InputErrors"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as CreditWriter from "./internal/creditWriter.ts"
import * as OrderColumns from "./internal/orderColumns.ts"
import * as OrderState from "./internal/orderState.ts"
import * as OrderWriter from "./internal/orderWriter.ts"
import {
  OrderFact,
  OrderFactConflict,
  OrderFactInvalid,
  type Outcome,
  batchMax,
  linesMax,
  linesOf
} from "./OrderFact.ts"

/**
 * The caller's transaction is not READ COMMITTED: it would read old state through a snapshot that is older than the lock.
 *
 * @category errors
 * @since 0.1.0
 */
export class IsolationRefused extends Schema.TaggedError<IsolationRefused>()("IsolationRefused", {
  isolation: Schema.String
}) {}

/** Orders of a change up to which its plan is kept; a plan for more is made for their number. */
const planKeptMax = 20

/**
 * A fact that the figures can take, in the form in which it is written.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckedFact = OrderState.State

interface RecordOptions {
  /** `keep` keeps the first content of a version, and counts another one as `superseded`. */
  readonly conflicts: "refuse" | "keep"
}

/** Outcomes of the facts that are written. */
type Outcomes = Map<OrderState.State, OrderState.Gated | "waiting">

type Failure = OrderFactInvalid | OrderFactConflict | IsolationRefused | SqlError

/**
 * @category services
 * @since 0.1.0
 */
export class OrderFacts extends Context.Service<
  OrderFacts,
  {
    /**
     * Writes up to 1,000 facts, all or nothing; joins the caller's transaction. The outcomes are in the order of the
     * facts.
     */
    readonly record: (
      facts: ReadonlyArray<OrderFact>,
      options?: RecordOptions
    ) => Effect.Effect<ReadonlyArray<Outcome>, Failure, Tenant>
    /** Writes facts that {@link fromEvent} has checked, as `record` does. */
    readonly recordChecked: (
      facts: ReadonlyArray<CheckedFact>,
      options?: RecordOptions
    ) => Effect.Effect<ReadonlyArray<Outcome>, Failure, Tenant>
    readonly place: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly change: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly cancel: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly ship: (shipment: Commerce.Shipment) => Effect.Effect<Outcome, Failure, Tenant>
    /** Records a refund of an order, or a credit without one. */
    readonly refund: (refund: Commerce.Refund) => Effect.Effect<Outcome, Failure, Tenant>
    /** Removes an order, its refunds and its shipments out of every figure. A higher version of the order brings it back. */
    readonly remove: (deleted: Commerce.OrderDeleted) => Effect.Effect<Outcome, Failure, Tenant>
  }
>()("@hypermarket/analytics/OrderFacts") {
  static readonly layer: Layer.Layer<OrderFacts, never, SqlClient.SqlClient> = Layer.effect(
    OrderFacts,
    Effect.map(SqlClient.SqlClient, (sql) => make(sql))
  )
}

/**
 * With other statements than the usual ones, for the proof that the harness of this package's tests can fail.
 *
 * @internal
 */
export const make = (
  sql: SqlClient.SqlClient,
  instead: Partial<OrderWriter.OrderWriter> = {}
): OrderFacts["Service"] => {
  const writer = { ...OrderWriter.make(sql), ...instead }
  const creditWriter = CreditWriter.make(sql)
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
    const late = yield* placeNew(existing.filter((order) => !heads.has(order.orderId)))
    for (const [id, head] of yield* lock(tenantId, OrderState.idsOf(late), run.isOwn)) heads.set(id, head)
    const newer = existing.filter((order) => {
      if (outcomes.has(order)) return false
      const head = heads.get(order.orderId)
      const gated = OrderState.gate(order, head?.version ?? 0n, head?.bodyHash ?? "")
      outcomes.set(order, gated)
      return gated === "applied"
    })
    if (newer.length > 0) {
      yield* writer.apply(tenantId, OrderColumns.headColumns(newer), OrderColumns.lineColumns(newer), now)
    }
    if (batch.adjustments.length > 0) {
      const hasHead = new Set([...heads.keys(), ...OrderState.idsOf(existing)])
      const headless = adjustedIds.filter((id) => !hasHead.has(id))
      if (headless.length > 0) yield* writer.stub(tenantId, headless)
      yield* adjust(tenantId, batch.adjustments, now, outcomes)
      const isKnown = new Set([
        ...OrderState.idsOf(batch.orders),
        ...Array.from(heads.values(), ({ orderId, version }) => (BigInt(version) > 0n ? orderId : ""))
      ])
      for (const state of batch.adjustments) {
        if (outcomes.get(state) === "applied" && !isKnown.has(state.orderId)) outcomes.set(state, "waiting")
      }
    }
    if (batch.credits.length > 0) yield* credit(tenantId, batch.credits, now, outcomes)
    return outcomes
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

  const conflictOf = (index: number, state: OrderState.State) =>
    new OrderFactConflict({
      index,
      kind: state.kind,
      id: OrderState.idOf(state),
      version: Number(state.version)
    })

  const checkCount = (count: number): Effect.Effect<void, OrderFactInvalid> =>
    count > batchMax
      ? Effect.fail(
          new OrderFactInvalid({
            errors: [{ path: [batchMax], message: `Expected at most ${batchMax} facts` }]
          })
        )
      : Effect.void

  const recordStates = Effect.fnUntraced(function* (
    states: ReadonlyArray<OrderState.State>,
    options: RecordOptions
  ) {
    const tenant = yield* Tenant
    if (states.length === 0) return []
    const now = yield* Now.now
    const batch = OrderState.batchOf(states)
    const isOwn = !(yield* isOpen(sql))
    const written = (isTried: boolean) =>
      transactionOf(sql)(
        Effect.flatMap(write(tenant.id, batch, now, { isTried, isOwn }), (outcomes) =>
          Effect.forEach(states, (state, index) => {
            const winner = batch.winnerOf(state)
            const gated =
              winner === state
                ? (outcomes.get(state) ?? "applied")
                : OrderState.gate(state, winner.version, winner.bodyHash)
            if (gated !== "conflict") return Effect.succeed(gated)
            return options.conflicts === "keep"
              ? Effect.succeed("superseded" as const)
              : Effect.fail(conflictOf(index, state))
          })
        )
      )
    // One new order is one statement, and commits by itself.
    const isOneStatement = states.length === 1 && batch.orders[0]?.isNew === true && isOwn
    if (!isOneStatement) return yield* written(false)
    const existing = yield* place(tenant.id, batch.orders, now)
    return existing.length === 0 ? ["applied" as const] : yield* written(true)
  })

  const record = Effect.fn("OrderFacts.record")(function* (
    facts: ReadonlyArray<OrderFact>,
    options: RecordOptions = { conflicts: "refuse" }
  ) {
    yield* checkCount(facts.length)
    yield* Effect.forEach(facts, validated, { discard: true })
    return yield* recordStates(facts.map(stateOf), options)
  })

  const recordChecked = Effect.fn("OrderFacts.recordChecked")(function* (
    facts: ReadonlyArray<CheckedFact>,
    options: RecordOptions = { conflicts: "refuse" }
  ) {
    yield* checkCount(facts.length)
    return yield* recordStates(facts, options)
  })

  const recordOrder =
    (type: "order.placed" | "order.changed" | "order.cancelled") => (data: Commerce.Order) =>
      Effect.map(record([{ type, data }]), ([outcome]) => outcome ?? "applied")

  return OrderFacts.of({
    record,
    recordChecked,
    place: recordOrder("order.placed"),
    change: recordOrder("order.changed"),
    cancel: recordOrder("order.cancelled"),
    ship: (data) =>
      Effect.map(record([{ type: "order.shipped", data }]), ([outcome]) => outcome ?? "applied"),
    refund: (data) =>
      Effect.map(record([{ type: "order.refunded", data }]), ([outcome]) => outcome ?? "applied"),
    remove: (data) =>
      Effect.map(record([{ type: "order.deleted", data }]), ([outcome]) => outcome ?? "applied")
  })
}

const Facts = Schema.fromJsonString(
  Schema.Struct({ facts: Schema.Array(OrderFact).check(Schema.isMinLength(1), Schema.isMaxLength(batchMax)) })
)

const parseOptions = { onExcessProperty: "error", errors: "all" } as const
const decodeFacts = Schema.decodeUnknownEffect(Facts, parseOptions)
/** Of a stored event: a field of a later release is left out. */
const decodeFact = Schema.decodeUnknownEffect(OrderFact, { errors: "all" })
const validate = Schema.decodeUnknownEffect(Schema.toType(OrderFact), { errors: "all" })

/** Facts that {@link parse} has checked, so that `record` does not check them again. */
const parsed = new WeakSet<OrderFact>()

const validated = (fact: OrderFact, index: number): Effect.Effect<unknown, OrderFactInvalid> =>
  parsed.has(fact)
    ? Effect.void
    : Effect.mapError(validate(fact), (error) => new OrderFactInvalid({ errors: errorsOf(error, [index]) }))

/** The index of the first fact with which a call has too many lines, or -1. */
const firstBeyond = (facts: ReadonlyArray<OrderFact>): number => {
  let lines = 0
  return facts.findIndex((fact) => (lines += linesOf(fact)) > linesMax)
}

const tooManyLines = (index: number) =>
  new OrderFactInvalid({
    errors: [{ path: [index, "data", "lines"], message: `Expected at most ${linesMax} lines in a call` }]
  })

/**
 * Reads `{ "facts": [...] }`. Paths of errors begin with the fact's index.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<ReadonlyArray<OrderFact>, OrderFactInvalid> =>
  Effect.matchEffect(decodeFacts(text), {
    onFailure: (error) =>
      Effect.fail(
        new OrderFactInvalid({
          errors: errorsOf(error).map(({ message, path }) => ({ path: path.slice(1), message }))
        })
      ),
    onSuccess: ({ facts }) => {
      const beyond = firstBeyond(facts)
      if (beyond >= 0) return Effect.fail(tooManyLines(beyond))
      for (const fact of facts) parsed.add(fact)
      return Effect.succeed(facts)
    }
  })

const namesByType = new Map(
  (
    [
      "order.placed",
      "order.changed",
      "order.cancelled",
      "order.deleted",
      "order.shipped",
      "order.refunded"
    ] as const
  ).map((name) => [Commerce.typeOf(name), name])
)

/**
 * Reads an event of the shop that was checked when it was published.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromEvent = (type: string, data: Schema.Json): Effect.Effect<CheckedFact, OrderFactInvalid> =>
  Effect.mapBoth(decodeFact({ type: namesByType.get(type) ?? type, data }), {
    onFailure: (error) => new OrderFactInvalid({ errors: errorsOf(error) }),
    onSuccess: stateOf
  })

const stateOf = (fact: OrderFact): OrderState.State => {
  switch (fact.type) {
    case "order.shipped":
      return OrderState.ofShipment(fact.data)
    case "order.refunded":
      return OrderState.ofRefund(fact.data)
    case "order.deleted":
      return OrderState.ofDeleted(fact.data)
    default:
      return OrderState.ofOrder(
        fact.data,
        fact.type === "order.cancelled" || fact.data.status === "cancelled",
        fact.type === "order.placed"
      )
  }
}
