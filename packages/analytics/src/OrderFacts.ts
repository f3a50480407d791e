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
import * as FactWriter from "./internal/factWriter.ts"
import * as OrderState from "./internal/orderState.ts"
import type * as OrderWriter from "./internal/orderWriter.ts"
import {
  type IsolationRefused,
  OrderFact,
  OrderFactConflict,
  OrderFactInvalid,
  type Outcome,
  batchMax,
  linesMax,
  linesOf
} from "./OrderFact.ts"

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
  const { place, write } = FactWriter.make(sql, instead)

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
const Checked = Schema.toType(OrderFact)
/** Stops at the first error, and takes two thirds of the time of {@link validate}. */
const isValid = Schema.is(Checked)
const validate = Schema.decodeUnknownEffect(Checked, { errors: "all" })

/** Facts that {@link parse} has checked, so that `record` does not check them again. */
const parsed = new WeakSet<OrderFact>()

const validated = (fact: OrderFact, index: number): Effect.Effect<unknown, OrderFactInvalid> =>
  parsed.has(fact) || isValid(fact)
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
