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
import { now } from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as OrderState from "./internal/orderState.ts"
import * as OrderWriter from "./internal/orderWriter.ts"
import { OrderFact, OrderFactConflict, OrderFactInvalid, type Outcome, batchMax } from "./OrderFact.ts"

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
     * facts. With `conflicts: "keep"` the first content of a version stays, and another one counts as `superseded`.
     */
    readonly record: (
      facts: ReadonlyArray<OrderFact>,
      options?: { readonly conflicts: "refuse" | "keep" }
    ) => Effect.Effect<ReadonlyArray<Outcome>, Failure, Tenant>
    readonly place: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly change: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly cancel: (order: Commerce.Order) => Effect.Effect<Outcome, Failure, Tenant>
    readonly ship: (shipment: Commerce.Shipment) => Effect.Effect<Outcome, Failure, Tenant>
    readonly refund: (refund: Commerce.Refund) => Effect.Effect<Outcome, Failure, Tenant>
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

  /** Answers the orders that existed already. */
  const place = Effect.fnUntraced(function* (
    tenantId: string,
    orders: ReadonlyArray<OrderState.OrderState>,
    moment: Date
  ) {
    if (orders.length === 0) return orders
    const placed = yield* writer.place(
      tenantId,
      OrderState.headColumns(orders),
      OrderState.lineColumns(orders),
      moment
    )
    const ids = new Set(placed.map(({ orderId }) => orderId))
    return orders.filter((order) => !ids.has(order.orderId))
  })

  /** Places what is told as new, locks and compares the rest; the outcome of each winner of the batch. */
  const write = Effect.fnUntraced(function* (
    tenantId: string,
    batch: OrderState.Batch,
    moment: Date,
    run: { readonly isTried: boolean; readonly isOwn: boolean }
  ) {
    const outcomes = new Map<OrderState.State, OrderState.Gated>()
    const placeNew = Effect.fnUntraced(function* (orders: ReadonlyArray<OrderState.OrderState>) {
      const known = yield* place(tenantId, orders, moment)
      for (const order of orders) if (!known.includes(order)) outcomes.set(order, "applied")
      return known
    })
    const known = run.isTried
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
      yield* lock(tenantId, Array.from(new Set([...OrderState.idsOf(known), ...adjustedIds])), run.isOwn)
    )
    const late = yield* placeNew(known.filter((order) => !heads.has(order.orderId)))
    for (const [id, head] of yield* lock(tenantId, OrderState.idsOf(late), run.isOwn)) heads.set(id, head)
    const newer = known.filter((order) => {
      if (outcomes.has(order)) return false
      const head = heads.get(order.orderId)
      const gated = OrderState.gate(order, head?.version ?? 0n, head?.bodyHash ?? "")
      outcomes.set(order, gated)
      return gated === "applied"
    })
    if (newer.length > 0) {
      yield* writer.apply(tenantId, OrderState.headColumns(newer), OrderState.lineColumns(newer), moment)
    }
    if (batch.adjustments.length > 0) {
      const isKnown = new Set([...heads.keys(), ...OrderState.idsOf(known)])
      const headless = adjustedIds.filter((id) => !isKnown.has(id))
      if (headless.length > 0) yield* writer.stub(tenantId, headless)
      yield* adjust(tenantId, batch.adjustments, moment, outcomes)
    }
    return outcomes
  })

  const adjust = Effect.fnUntraced(function* (
    tenantId: string,
    adjustments: ReadonlyArray<OrderState.AdjustmentState>,
    moment: Date,
    outcomes: Map<OrderState.State, OrderState.Gated>
  ) {
    const stored = yield* writer.book(tenantId, OrderState.adjustmentColumns(adjustments), moment)
    const gates = new Map(
      stored.map((gate) => [OrderState.nameOf(gate.kind, gate.orderId, gate.adjustmentId), gate])
    )
    const newer: Array<OrderState.AdjustmentState> = []
    for (const one of adjustments) {
      const gate = gates.get(OrderState.nameOf(one.kind, one.orderId, one.adjustmentId))
      const gated = gate === undefined ? "applied" : OrderState.gate(one, gate.storedVersion, gate.storedHash)
      outcomes.set(one, gated)
      if (gate !== undefined && gated === "applied") newer.push(one)
    }
    if (newer.length === 0) return
    yield* writer.adjust(tenantId, OrderState.idsOf(newer), OrderState.adjustmentColumns(newer), moment)
  })

  const conflictOf = (index: number, state: OrderState.State) =>
    new OrderFactConflict({
      index,
      kind: state.kind,
      id: state.kind === "order" ? state.orderId : state.adjustmentId,
      version: Number(state.version)
    })

  const record = Effect.fn("OrderFacts.record")(function* (
    facts: ReadonlyArray<OrderFact>,
    options: { readonly conflicts: "refuse" | "keep" } = { conflicts: "refuse" }
  ) {
    const tenant = yield* Tenant
    if (facts.length === 0) return []
    if (facts.length > batchMax) {
      return yield* new OrderFactInvalid({
        errors: [{ path: [batchMax], message: `Expected at most ${batchMax} facts` }]
      })
    }
    const moment = yield* now
    const states = facts.map(stateOf)
    const errors = states.flatMap((state, index) => OrderState.problems(state, index))
    if (errors.length > 0) return yield* new OrderFactInvalid({ errors })
    const batch = OrderState.batchOf(states)
    const isOwn = !(yield* isOpen(sql))
    const written = (isTried: boolean) =>
      transactionOf(sql)(
        Effect.flatMap(write(tenant.id, batch, moment, { isTried, isOwn }), (outcomes) =>
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
    const isOneStatement = facts.length === 1 && batch.orders[0]?.isNew === true && isOwn
    if (!isOneStatement) return yield* written(false)
    const known = yield* place(tenant.id, batch.orders, moment)
    return known.length === 0 ? ["applied" as const] : yield* written(true)
  })

  const one = (type: "order.placed" | "order.changed" | "order.cancelled") => (data: Commerce.Order) =>
    Effect.map(record([{ type, data }]), ([outcome]) => outcome ?? "applied")

  return OrderFacts.of({
    record,
    place: one("order.placed"),
    change: one("order.changed"),
    cancel: one("order.cancelled"),
    ship: (data) =>
      Effect.map(record([{ type: "order.shipped", data }]), ([outcome]) => outcome ?? "applied"),
    refund: (data) =>
      Effect.map(record([{ type: "order.refunded", data }]), ([outcome]) => outcome ?? "applied")
  })
}

const Facts = Schema.fromJsonString(
  Schema.Struct({ facts: Schema.Array(OrderFact).check(Schema.isMinLength(1), Schema.isMaxLength(batchMax)) })
)

const parseOptions = { onExcessProperty: "error", errors: "all" } as const
const decodeFacts = Schema.decodeUnknownEffect(Facts, parseOptions)
const decodeFact = Schema.decodeUnknownEffect(OrderFact, parseOptions)
const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  return typeof key === "number" ? key : String(key)
}

const invalid = (within: number) => (error: Schema.SchemaError) =>
  new OrderFactInvalid({
    errors: formatIssues(error.issue).issues.map((issue) => ({
      path: (issue.path ?? []).map(keyOf).slice(within),
      message: issue.message
    }))
  })

/**
 * Reads `{ "facts": [...] }`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<ReadonlyArray<OrderFact>, OrderFactInvalid> =>
  decodeFacts(text).pipe(
    Effect.map(({ facts }) => facts),
    // Paths begin with the fact's index.
    Effect.mapError(invalid(1))
  )

const namesByType = new Map(
  (["order.placed", "order.changed", "order.cancelled", "order.shipped", "order.refunded"] as const).map(
    (name) => [Commerce.typeOf(name), name]
  )
)

/**
 * Reads an event of the shop, and checks whether the figures can take it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromEvent = Effect.fnUntraced(function* (
  type: string,
  data: Schema.Json
): Effect.fn.Return<OrderFact, OrderFactInvalid> {
  const fact = yield* Effect.mapError(decodeFact({ type: namesByType.get(type) ?? type, data }), invalid(0))
  const errors = OrderState.problems(stateOf(fact), 0)
  if (errors.length > 0) return yield* new OrderFactInvalid({ errors })
  return fact
})

const stateOf = (fact: OrderFact): OrderState.State => {
  switch (fact.type) {
    case "order.shipped":
      return OrderState.ofShipment(fact.data)
    case "order.refunded":
      return OrderState.ofRefund(fact.data)
    default:
      return OrderState.ofOrder(
        fact.data,
        fact.type === "order.cancelled" || fact.data.status === "cancelled",
        fact.type === "order.placed"
      )
  }
}
