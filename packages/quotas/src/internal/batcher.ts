/** Collects the checks of a process and decides them in batches, one statement per batch. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { untouched, waitMicros, type Bound, type Measured } from "./bucket.ts"
import { charge as chargeAny, open, type Group, type GroupAnswer } from "./bucketStatements.ts"
import * as GcraStatement from "./gcraStatement.ts"
import { releaseAll } from "./repairStatements.ts"

export interface Charged {
  readonly granted: boolean
  /** After the charge, in the order of the bounds. */
  readonly measured: ReadonlyArray<Measured>
  /** By this process's clock, before the statement was sent: it was decided later. */
  readonly sentMillis: number
}

interface Item {
  readonly bounds: ReadonlyArray<Bound>
  readonly cost: number
  readonly token: string
  /** True for tokens that the process will hold: requests of the same batch are decided before. */
  readonly isLease: boolean
  readonly complete: (exit: Exit.Exit<Charged, SqlError>) => void
  /** Set when the caller has gone: the request is not charged. */
  isAbandoned: boolean
}

/** A request that is decided without the database at its deadline. */
interface Waiting {
  readonly item: Item
  /** By this process's clock. */
  readonly untilMillis: number
  readonly late: () => void
  isDone: boolean
}

const nanosPerMilli = 1_000_000

/**
 * Ends requests at their deadline. All have the same one, so they end in the order in which they came, and one timer serves all
 * of them.
 */
const makeDeadlines = Effect.fnUntraced(function* (deadline: Duration.Duration) {
  const clock = yield* Clock.Clock
  const nowMillis = () => Number(clock.monotonicTimeNanosUnsafe()) / nanosPerMilli
  const millis = Duration.toMillis(deadline)
  const begun = yield* Queue.sliding<void>(1)
  let waiting: Array<Waiting> = []
  let isWatched = false

  /** Ends what is late, and returns the milliseconds until the next deadline. */
  const sweep = (): number | undefined => {
    const now = nowMillis()
    const next = waiting.findIndex(({ isDone, untilMillis }) => !isDone && untilMillis > now)
    const ended = next === -1 ? waiting : waiting.slice(0, next)
    waiting = next === -1 ? [] : waiting.slice(next)
    for (const each of ended) if (!each.isDone) each.late()
    const [first] = waiting
    isWatched = first !== undefined
    return first === undefined ? undefined : first.untilMillis - now
  }
  const watch = Effect.gen(function* () {
    yield* Queue.take(begun)
    for (;;) {
      const restMillis = sweep()
      if (restMillis === undefined) return
      yield* Effect.sleep(Math.max(1, restMillis))
    }
  })
  yield* Effect.forkScoped(Effect.forever(watch))

  return (item: Item, late: () => void): Waiting => {
    const each: Waiting = { item, untilMillis: nowMillis() + millis, late, isDone: false }
    waiting.push(each)
    if (!isWatched) {
      isWatched = true
      Queue.offerUnsafe(begun, undefined)
    }
    return each
  }
})

/** Decided by one statement in a few milliseconds. More would let a late request wait for a long one. */
const batchMax = 500

/** While one batch is in flight the next is sent; a third would only wait for rows of the two. */
const batchesInFlight = 2

/** After a batch, in the same statement, the group's earlier requests are charged too. */
const after = (bound: Bound, measured: Measured, costs: ReadonlyArray<number>): Measured => {
  if (costs.length === 0) return measured
  const cost = costs.reduce((sum, each) => sum + each, 0)
  if (bound.kind === "gcra") {
    return { ...measured, debt: measured.debt + BigInt(cost) * BigInt(bound.periodMicros) }
  }
  const added: ReadonlyArray<readonly [number, number]> =
    bound.kind === "window"
      ? [[measured.nowMicros, cost]]
      : costs.map(() => [measured.nowMicros + bound.periodMicros, 1] as const)
  return { ...measured, entries: [...measured.entries, ...added] }
}

const groupKeyOf = (item: Item): string =>
  item.bounds
    .map(
      (bound) => `${bound.key}\n${bound.quota} ${bound.burst} ${bound.periodMicros} ${bound.changedMicros}`
    )
    .join("\n\n")

/** Parts items into groups that share no bucket; the rest waits for the next statement. */
const assemble = (items: ReadonlyArray<Item>) => {
  const groups = new Map<string, Array<Item>>()
  const groupOfBucket = new Map<string, string>()
  const later: Array<Item> = []
  for (const item of [
    ...items.filter(({ isLease }) => !isLease),
    ...items.filter(({ isLease }) => isLease)
  ]) {
    const groupKey = groupKeyOf(item)
    const group = groups.get(groupKey)
    if (group !== undefined) {
      group.push(item)
      continue
    }
    const buckets = item.bounds.map(({ key }) => key)
    if (buckets.some((bucket) => groupOfBucket.has(bucket))) {
      later.push(item)
      continue
    }
    groups.set(groupKey, [item])
    for (const bucket of buckets) groupOfBucket.set(bucket, groupKey)
  }
  return { groups: Array.from(groups.values()), later }
}

const toGroup = (items: ReadonlyArray<Item>): Group => ({
  bounds: items[0]?.bounds ?? [],
  costs: items.map(({ cost }) => cost),
  tokens: items.map(({ token }) => token)
})

/** Completes what a statement decided and returns what another one must decide. */
const settle = (items: ReadonlyArray<Item>, answer: GroupAnswer, sentMillis: number): ReadonlyArray<Item> => {
  const again: Array<Item> = []
  const granted = items.slice(0, answer.granted)
  const costs = granted.map(({ cost }) => cost)
  for (const [index, item] of items.entries()) {
    const isGranted = index < granted.length
    const charged = isGranted ? costs.slice(0, index + 1) : costs
    const measured = item.bounds.map((bound, at) => after(bound, answer.measured[at] ?? untouched, charged))
    // The first that did not fit is denied. A cheaper one behind it may fit what is left.
    const mayFit =
      !isGranted &&
      index > granted.length &&
      item.bounds.every((bound, at) => waitMicros(bound, measured[at] ?? untouched, item.cost) === 0)
    if (mayFit) again.push(item)
    else item.complete(Exit.succeed({ granted: isGranted, measured, sentMillis }))
  }
  return again
}

/** The narrow statement where it decides all groups: a batch stays one statement. */
const charge = (sql: SqlClient.SqlClient, groups: ReadonlyArray<Group>, offsetMicros: number) =>
  groups.every(GcraStatement.isNarrow)
    ? GcraStatement.charge(sql, groups, offsetMicros)
    : chargeAny(sql, groups, offsetMicros)

/** Releases the slots that a statement granted to requests which no longer wait: none of them knows its lease. */
const releaseAbandoned = Effect.fnUntraced(
  function* (sql: SqlClient.SqlClient, granted: ReadonlyArray<Item>) {
    const abandoned = granted.filter(({ isAbandoned }) => isAbandoned)
    const [first] = abandoned
    if (first === undefined) return
    const tokens = abandoned.map(({ token }) => token)
    for (const bound of first.bounds) {
      if (bound.kind === "concurrency") yield* releaseAll(sql, bound, tokens)
    }
  },
  Effect.catch((error) => Effect.logDebug("A slot that was granted late was not released", error))
)

const runBatch = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  items: ReadonlyArray<Item>,
  offsetMicros: () => number,
  nowMillis: () => number
) {
  let waiting = items
  while (waiting.length > 0) {
    const { groups, later } = assemble(waiting.filter((item) => !item.isAbandoned))
    if (groups.length === 0) return
    const sentMillis = nowMillis()
    const answers = yield* charge(sql, groups.map(toGroup), offsetMicros())
    const again: Array<Item> = []
    const missing: Array<Bound> = []
    const granted: Array<ReadonlyArray<Item>> = []
    for (const [index, group] of groups.entries()) {
      const answer = answers[index]
      if (answer?.isComplete === true) {
        again.push(...settle(group, answer, sentMillis))
        granted.push(group.slice(0, answer.granted))
      } else {
        again.push(...group)
        missing.push(...(group[0]?.bounds ?? []))
      }
    }
    for (const items of granted) yield* releaseAbandoned(sql, items)
    if (missing.length > 0) yield* open(sql, missing, offsetMicros())
    waiting = [...again, ...later]
  }
})

/** Starts the workers of a process. They end with the scope. */
export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  offsetMicros: () => number,
  nowMillis: () => number,
  deadline: Duration.Duration
) {
  const queue = yield* Queue.unbounded<Item>()
  const withinDeadline = yield* makeDeadlines(deadline)
  const work = Queue.takeBetween(queue, 1, batchMax).pipe(
    Effect.flatMap((items) =>
      runBatch(sql, items, offsetMicros, nowMillis).pipe(
        Effect.catchCause((cause) =>
          Effect.sync(() => {
            for (const item of items) item.complete(Exit.failCause(cause))
          })
        )
      )
    ),
    Effect.forever
  )
  for (let index = 0; index < batchesInFlight; index++) yield* Effect.forkScoped(work)

  /** Undefined when the database has not decided by the deadline. */
  const decide = (
    bounds: ReadonlyArray<Bound>,
    cost: number,
    token: string
  ): Effect.Effect<Charged | undefined, SqlError> =>
    Effect.callback((resume) => {
      const item: Item = {
        bounds,
        cost,
        token,
        isLease: false,
        complete: (exit) => {
          waiting.isDone = true
          resume(exit)
        },
        isAbandoned: false
      }
      const abandon = () => {
        waiting.isDone = true
        item.isAbandoned = true
      }
      const waiting = withinDeadline(item, () => {
        abandon()
        resume(Effect.undefined)
      })
      Queue.offerUnsafe(queue, item)
      return Effect.sync(abandon)
    })

  /** Charges tokens that the process will hold, without a caller that waits. */
  const lease = (bound: Bound, cost: number, complete: (charged: Charged | undefined) => void) => {
    Queue.offerUnsafe(queue, {
      bounds: [bound],
      cost,
      token: "",
      isLease: true,
      complete: (exit) => complete(Exit.isSuccess(exit) ? exit.value : undefined),
      isAbandoned: false
    })
  }
  return { decide, lease }
})
