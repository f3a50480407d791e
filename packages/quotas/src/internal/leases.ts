/**
 * Tokens of hot buckets that this process holds. They are charged before they are used, so that a check of such a bucket needs
 * no statement.
 *
 * A lease is used within its life after it was charged. So any window w admits at most burst + rate x (w + life). What is left is
 * given back: only as much as the debt holds of it for certain.
 */
import type { Charged } from "./batcher.ts"
import { fullMicros, isSameRate, millisOf, roomOf, type Bound, type Measured } from "./bucket.ts"

/** Longest life. A killed process burns at most what it holds, and a denied key waits at most this long for another process. */
const lifeMillisMax = 1_000

/** A life is at most this part of a period. */
const livesPerPeriod = 10

/** A shorter life costs as many statements as it saves. */
const lifeMillisMin = 20

/** Buckets with a smaller burst have no leases: a held token would be missed, and denials from memory save the statements. */
const burstMin = 100

/** Of what was asked for in a life: the rest is asked for by a second lease, and little is left over. */
const demandShare = 0.75

/** A lease holds at most this part of the room, so that other processes find tokens too. */
const roomParts = 4

/** A bucket that is asked for less often is not hot: each lease would save one statement, and hide a token meanwhile. */
const tokensMin = 2

/**
 * Of a bucket with much room a lease holds this number of tokens before the bucket is hot: they are missed nowhere. Else many
 * buckets would never become hot, since each waits for the statements of all the others.
 */
const spareTokens = 32

/** Spare tokens are at most this part of the room. */
const spareRoomParts = 1_000

/** From this demand in a life on a bucket is hot, and leases by its demand alone: little is left to be given back. */
const hotDemand = 8

/** The next lease is asked for when this part of the current one is left, of its tokens or of its life. */
const prefetchParts = 4

/** Buckets whose demand is counted, some 300 bytes each. At the limit further ones have no leases until idle ones are dropped. */
const bucketsMax = 20_000

/** Leases that wait to be given back. Further ones are burnt. */
const leftoversMax = 20_000

/** Tokens that were charged together. */
interface Part {
  readonly granted: number
  tokens: number
  readonly untilMillis: number
  /** Debt after the charge plus what was returned before, plus what drains between the epoch and the charge. */
  readonly level: bigint
}

/** A bucket that this process asks for. */
interface Held {
  readonly bound: Bound
  readonly lifeMillis: number
  windowMillis: number
  demand: number
  demandBefore: number
  room: number
  fullMillis: number
  isAsked: boolean
  current: Part | undefined
  next: Part | undefined
}

/** Unused tokens of one bucket that are given back. */
export interface Leftover {
  readonly bound: Bound
  tokens: number
  level: bigint
}

/** Tokens that were taken of a lease. */
export interface Taken {
  readonly held: Held
  readonly part: Part
  readonly cost: number
}

/** Asks the database for tokens in the next batch. */
type Ask = (bound: Bound, tokens: number, complete: (charged: Charged | undefined) => void) => void

const microsPerMilli = 1_000

/** How long tokens of the bucket may be held; 0 when it has no leases. */
const lifeMillisOf = (bound: Bound): number => {
  if (bound.kind !== "gcra" || bound.shadow || bound.burst < burstMin) return 0
  const periodMillis = bound.periodMicros / microsPerMilli
  // Within half of the time in which a full debt drains, what is left can be given back.
  const drainMillis = ((bound.burst / bound.quota) * periodMillis) / 2
  const life = Math.min(lifeMillisMax, periodMillis / livesPerPeriod, drainMillis)
  return life < lifeMillisMin ? 0 : life
}

/** Requests of cost 1 that would pass now, as far as this process knows. */
export const remainingOf = ({ held }: Taken): number =>
  held.room + (held.current?.tokens ?? 0) + (held.next?.tokens ?? 0)

/** Milliseconds until nothing is used, as the database has seen it last. */
export const fullMillisOf = ({ held }: Taken): number => held.fullMillis

export interface Leases {
  /** Counts the demand, and uses tokens that this process holds. Undefined when the database must decide. */
  readonly take: (bound: Bound, cost: number, nowMillis: number) => Taken | undefined
  /** Returns tokens of a request that another limit has denied. */
  readonly putBack: (taken: Taken, nowMillis: number) => void
  /** Asks for a lease in the batch that decides a request of the bucket. */
  readonly prepare: (bound: Bound, nowMillis: number) => void
  /** Remembers how full the database has seen the bucket. */
  readonly observe: (bound: Bound, measured: Measured) => void
  /** Drops what is held of a bucket that was reset: its tokens are not given back. */
  readonly drop: (bound: Bound) => void
  /** Ends leases whose life is over, and returns what is to be given back, once per bucket. */
  readonly expire: (nowMillis: number) => ReadonlyArray<Leftover>
  /** Ends all leases. */
  readonly close: () => ReadonlyArray<Leftover>
}

export const make = (nowMillis: () => number, ask: Ask): Leases => {
  const buckets = new Map<string, Held>()
  let leftovers = new Map<string, Leftover>()

  const retire = (bound: Bound, part: Part | undefined) => {
    if (part === undefined || part.tokens === 0) return
    const existing = leftovers.get(bound.key)
    if (existing !== undefined && isSameRate(existing.bound, bound)) {
      existing.tokens += part.tokens
      if (part.level < existing.level) existing.level = part.level
    } else if (existing === undefined && leftovers.size < leftoversMax) {
      leftovers.set(bound.key, { bound, tokens: part.tokens, level: part.level })
    }
    part.tokens = 0
  }

  const retireAll = (held: Held) => {
    retire(held.bound, held.current)
    retire(held.bound, held.next)
    held.current = undefined
    held.next = undefined
  }

  const isCurrent = (held: Held): boolean => buckets.get(held.bound.key) === held

  /** The bucket by its numbers of now. What was leased by others is given back. */
  const heldOf = (bound: Bound, now: number): Held | undefined => {
    const existing = buckets.get(bound.key)
    if (existing !== undefined) {
      if (existing.bound === bound || isSameRate(existing.bound, bound)) return existing
      retireAll(existing)
      buckets.delete(bound.key)
    }
    const lifeMillis = buckets.size < bucketsMax ? lifeMillisOf(bound) : 0
    if (lifeMillis === 0) return undefined
    const held: Held = {
      bound,
      lifeMillis,
      windowMillis: now,
      demand: 0,
      demandBefore: 0,
      room: 0,
      fullMillis: 0,
      isAsked: false,
      current: undefined,
      next: undefined
    }
    buckets.set(bound.key, held)
    return held
  }

  const count = (held: Held, cost: number, now: number) => {
    const elapsed = now - held.windowMillis
    if (elapsed >= held.lifeMillis) {
      held.demandBefore = (held.demand * held.lifeMillis) / elapsed
      held.demand = 0
      held.windowMillis = now
    }
    held.demand += cost
  }

  const observe = (held: Held, measured: Measured) => {
    held.room = roomOf(held.bound, measured)
    held.fullMillis = millisOf(fullMicros(held.bound, measured))
  }

  const tokensFor = (held: Held): number => {
    const demand = Math.max(held.demand, held.demandBefore)
    const wanted = Math.min(demand * demandShare, held.room / roomParts)
    const isWarm = demand >= tokensMin && demand < hotDemand
    const spare = isWarm ? Math.min(spareTokens, held.room / spareRoomParts) : 0
    return Math.floor(Math.max(wanted, spare))
  }

  const isOld = (held: Held, part: Part, now: number): boolean =>
    now >= part.untilMillis - held.lifeMillis / prefetchParts

  const request = (held: Held) => {
    const tokens = tokensFor(held)
    if (tokens < tokensMin) return
    held.isAsked = true
    ask(held.bound, tokens, (charged) => {
      held.isAsked = false
      const measured = charged?.measured[0]
      if (charged === undefined || measured === undefined) return
      observe(held, measured)
      if (!charged.granted) return
      const part: Part = {
        granted: tokens,
        tokens,
        // From before the statement was sent: the charge is not older.
        untilMillis: charged.sentMillis + held.lifeMillis,
        level: measured.debt + measured.returned + BigInt(held.bound.quota) * BigInt(measured.nowMicros)
      }
      const now = nowMillis()
      const isLate = !isCurrent(held) || part.untilMillis <= now
      if (isLate || held.next !== undefined) {
        retire(held.bound, part)
      } else if (held.current === undefined || isOld(held, held.current, now)) {
        retire(held.bound, held.current)
        held.current = part
      } else {
        held.next = part
      }
    })
  }

  /** The lease to take from: an ended one makes room for the next. */
  const partFor = (held: Held, cost: number, now: number): Part | undefined => {
    const { current } = held
    if (current === undefined) return undefined
    if (current.tokens >= cost && now < current.untilMillis) return current
    retire(held.bound, current)
    held.current = held.next
    held.next = undefined
    const following = held.current
    return following !== undefined && following.tokens >= cost && now < following.untilMillis
      ? following
      : undefined
  }

  return {
    take: (bound, cost, now) => {
      const held = heldOf(bound, now)
      if (held === undefined) return undefined
      count(held, cost, now)
      const part = partFor(held, cost, now)
      if (part === undefined) return undefined
      part.tokens -= cost
      if (!held.isAsked && held.next === undefined) {
        const isLow = part.tokens * prefetchParts <= part.granted
        if (isLow || isOld(held, part, now)) request(held)
      }
      return { held, part, cost }
    },
    putBack: ({ cost, held, part }, now) => {
      part.tokens += cost
      const isUsable = held.current === part || held.next === part
      if (!isUsable || !isCurrent(held) || now >= part.untilMillis) retire(held.bound, part)
    },
    prepare: (bound, now) => {
      const held = heldOf(bound, now)
      if (held !== undefined && !held.isAsked && held.next === undefined) request(held)
    },
    observe: (bound, measured) => {
      const held = buckets.get(bound.key)
      if (held !== undefined && isSameRate(held.bound, bound)) observe(held, measured)
    },
    drop: (bound) => {
      buckets.delete(bound.key)
    },
    expire: (now) => {
      for (const [key, held] of buckets) {
        if (held.current !== undefined && now >= held.current.untilMillis) {
          retire(held.bound, held.current)
          held.current = held.next
          held.next = undefined
        }
        const isIdle = now - held.windowMillis > 2 * held.lifeMillis
        if (isIdle && held.current === undefined && !held.isAsked) buckets.delete(key)
      }
      const ended = Array.from(leftovers.values())
      leftovers = new Map()
      return ended
    },
    close: () => {
      for (const held of buckets.values()) retireAll(held)
      buckets.clear()
      return Array.from(leftovers.values())
    }
  }
}
