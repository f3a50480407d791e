/**
 * Fairness in the worker's memory: start-time fair queueing over lanes (Goyal, Vin and Cheng, 1996). No row is written for
 * it, at publish or claim.
 *
 * A lane is a (tenant, queue, priority). Its virtual time grows by the work it was given over its weight; the lane with
 * the smallest goes first, and one that had nothing to do starts at the virtual clock: a newcomer goes before every
 * backlogged lane.
 */
import { queueOfLane, quarantinePrefix } from "./jobRow.ts"
import type { ClaimLane, LaneRow } from "./statements/lane.ts"

interface Lane extends LaneRow {
  virtual: number
  isReady: boolean
  /** It has had nothing since it became ready: among equals it goes first, else it would wait for all of them. */
  isNew: boolean
  /** Below it nothing is expected; see `hintOf`. */
  hint: number
  /** The highest that a claim brought; see `hintOf`. */
  frontier: number
  lookedBackAtMillis: number
  highest: number
  highestAtMillis: number
  rescannedAtMillis: number
  /** A limit of its queue stands in the way until then. */
  blockedUntilMillis: number
  /** When a lane that is not ready is looked at again without its hint; 0 when it need not be. */
  recheckAtMillis: number
}

/**
 * A hint may only pass what was claimed at least this long ago: a slower transaction may still commit a smaller sequence
 * number.
 */
const hintAgeMillis = 200
/**
 * In between, claims of a busy lane begin where the last one ended: what was claimed in the last 200 ms are some ten thousand
 * dead entries, and stepping over them takes a twentieth of a claim.
 */
const lookBackMillis = 50
/** What a hint hid after all, or what was retried, is found by a scan without hint this often. */
const rescanMillis = 1_000
/** A lane that was empty for long is forgotten; a sweep finds it again. */
const lanesMax = 50_000

const keyOf = (lane: LaneRow): string => `${lane.tenantId}\u0000${lane.queue}\u0000${lane.priority}`

export interface Picked {
  readonly lane: ClaimLane
  readonly quantum: number
}

/** What a pipe does next: an open claim of several lanes, or a claim of one lane that has limits. */
export interface Pick {
  readonly picked: ReadonlyArray<Picked>
  readonly isLimited: boolean
  /** Whether other lanes are ready beside the picked ones: work for another pipe. */
  readonly isMore: boolean
}

/** What a tenant's queue is set to. */
export interface Definition {
  readonly paused: boolean
  readonly weight: number
  readonly isLimited: boolean
}

export interface Options {
  readonly handles: (queue: string) => boolean
  readonly definitionOf: (tenantId: string, queue: string) => Definition
  /** How many more jobs of a queue this process takes now. */
  readonly roomOf: (queue: string) => number
  readonly random: () => number
}

export class Lanes {
  private readonly lanes = new Map<string, Lane>()
  /** Those that are ready or to be looked at again: idle ones cost nothing. */
  private readonly live = new Set<string>()
  private clock = 0
  private wasOfNewcomers = false
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** There may be jobs in this lane. */
  add(row: LaneRow): void {
    if (!this.options.handles(queueOfLane(row.queue))) return
    const key = keyOf(row)
    const known = this.lanes.get(key)
    if (known === undefined) {
      if (this.lanes.size >= lanesMax) this.forget()
      this.lanes.set(key, {
        ...row,
        virtual: this.clock,
        isReady: true,
        isNew: true,
        hint: 0,
        frontier: 0,
        lookedBackAtMillis: 0,
        highest: 0,
        highestAtMillis: 0,
        rescannedAtMillis: 0,
        blockedUntilMillis: 0,
        recheckAtMillis: 0
      })
      this.live.add(key)
    } else if (!known.isReady) {
      this.live.add(key)
      known.isReady = true
      known.isNew = true
      known.recheckAtMillis = 0
      known.virtual = Math.max(known.virtual, this.clock)
    }
  }

  private forget(): void {
    for (const key of this.lanes.keys()) if (!this.live.has(key)) this.lanes.delete(key)
  }

  /** The lanes that may be claimed from. */
  private *ready(nowMillis: number): Iterable<Lane> {
    for (const key of this.live) {
      const lane = this.lanes.get(key)
      if (lane === undefined) continue
      if (!lane.isReady) {
        if (nowMillis < lane.recheckAtMillis) continue
        lane.isReady = true
        lane.recheckAtMillis = 0
        lane.virtual = Math.max(lane.virtual, this.clock)
      }
      if (lane.blockedUntilMillis <= nowMillis) yield lane
    }
  }

  /** A lane of jobs that took their workers down before. */
  quarantined(nowMillis: number): Pick | undefined {
    for (const lane of this.ready(nowMillis)) {
      if (!lane.queue.startsWith(quarantinePrefix)) continue
      const { isLimited, paused } = this.options.definitionOf(lane.tenantId, lane.queue)
      if (paused) continue
      const { priority, queue, tenantId } = lane
      return {
        isLimited,
        isMore: false,
        picked: [{ quantum: 1, lane: { tenantId, queue, priority, hint: 0, limit: 1 } }]
      }
    }
    return undefined
  }

  /** The lanes of the next claim; undefined when there is nothing to do. */
  pick(batchMax: number, lanesInClaimMax: number, nowMillis: number): Pick | undefined {
    // Of a tenant's queue only the most urgent lane: less urgent ones wait until it is empty.
    const mostUrgent = new Map<string, Lane>()
    let lanesReady = 0
    for (const lane of this.ready(nowMillis)) {
      if (lane.queue.startsWith(quarantinePrefix)) continue
      lanesReady++
      const key = `${lane.tenantId}\u0000${lane.queue}`
      const rival = mostUrgent.get(key)
      if (rival === undefined || rival.priority < lane.priority) mostUrgent.set(key, lane)
    }
    const room = new Map<string, number>()
    const ready: Array<{ readonly lane: Lane; readonly tie: number; readonly definition: Definition }> = []
    for (const lane of mostUrgent.values()) {
      const definition = this.options.definitionOf(lane.tenantId, lane.queue)
      const left = room.get(lane.queue) ?? this.options.roomOf(lane.queue)
      room.set(lane.queue, left)
      // Equal virtual times are broken by chance: two processes must not walk the lanes in the same order. A newcomer's
      // chance is the best there is.
      if (!definition.paused && left > 0)
        ready.push({ lane, tie: this.options.random() - (lane.isNew ? 1 : 0), definition })
    }
    const [first, ...rest] = ready.toSorted((a, b) => a.lane.virtual - b.lane.virtual || a.tie - b.tie)
    if (first === undefined) return undefined
    const open = rest.filter(({ definition }) => !definition.isLimited)
    // Newcomers have a claim of their own: it is short, and their jobs start before the backlog's would be claimed. The next
    // one is of all again, or a stream of newcomers would leave the backlog nothing.
    const isOfNewcomers =
      first.lane.isNew &&
      !this.wasOfNewcomers &&
      !first.definition.isLimited &&
      open.some(({ lane }) => !lane.isNew)
    this.wasOfNewcomers = isOfNewcomers
    // A lane with limits is claimed by itself: its claim holds a lock.
    const others = first.definition.isLimited
      ? []
      : isOfNewcomers
        ? open.filter(({ lane }) => lane.isNew)
        : open
    const chosen = [first, ...others.slice(0, lanesInClaimMax - 1)]
    // A small room is spread over the lanes, too.
    const shares = new Map(
      Array.from(room, ([queue, left]) => [
        queue,
        Math.max(1, Math.ceil(Math.min(batchMax, left) / chosen.length))
      ])
    )
    const picked: Array<Picked> = []
    for (const { definition, lane } of chosen) {
      const left = room.get(lane.queue) ?? 0
      if (left <= 0) continue
      const quantum = Math.min((shares.get(lane.queue) ?? 1) * definition.weight, left)
      room.set(lane.queue, left - quantum)
      this.clock = Math.max(this.clock, lane.virtual)
      lane.virtual += quantum / definition.weight
      lane.isNew = false
      picked.push({
        quantum,
        lane: {
          tenantId: lane.tenantId,
          queue: lane.queue,
          priority: lane.priority,
          hint: this.hintOf(lane, nowMillis),
          limit: quantum
        }
      })
    }
    return { picked, isLimited: first.definition.isLimited, isMore: lanesReady > picked.length }
  }

  private hintOf(lane: Lane, nowMillis: number): number {
    if (nowMillis - lane.rescannedAtMillis >= rescanMillis) {
      lane.rescannedAtMillis = nowMillis
      lane.lookedBackAtMillis = nowMillis
      return 0
    }
    if (nowMillis - lane.lookedBackAtMillis < lookBackMillis) return Math.max(lane.hint, lane.frontier)
    lane.lookedBackAtMillis = nowMillis
    return lane.hint
  }

  /** The lanes whose claimed jobs may still stand there as dead entries, and from where on they are worth a look. */
  hinted(nowMillis: number): ReadonlyArray<LaneRow & { readonly hint: number }> {
    const found: Array<LaneRow & { readonly hint: number }> = []
    for (const { hint, highest, highestAtMillis, priority, queue, tenantId } of this.lanes.values()) {
      const from = nowMillis - highestAtMillis >= hintAgeMillis ? highest : hint
      if (from > 0) found.push({ tenantId, queue, priority, hint: from })
    }
    return found
  }

  /** What a claim found in a lane. `isCut` when there was more than it could take. True when there may be more. */
  found(picked: Picked, count: number, highestSeq: number, isCut: boolean, nowMillis: number): boolean {
    const lane = this.lanes.get(keyOf(picked.lane))
    if (lane === undefined) return false
    lane.virtual -= (picked.quantum - count) / this.options.definitionOf(lane.tenantId, lane.queue).weight
    if (isCut || count >= picked.lane.limit) {
      lane.frontier = Math.max(lane.frontier, highestSeq)
      if (nowMillis - lane.highestAtMillis >= hintAgeMillis) {
        lane.hint = lane.highest
        lane.highest = highestSeq
        lane.highestAtMillis = nowMillis
      }
      return true
    }
    // It began where the last one ended, and what is left may stand before that.
    if (picked.lane.hint > lane.hint) {
      lane.lookedBackAtMillis = 0
      return true
    }
    lane.isReady = false
    // A short claim with a hint may have passed something by: the lane is looked at once more without it.
    if (picked.lane.hint > 0) lane.recheckAtMillis = lane.rescannedAtMillis + rescanMillis
    else this.live.delete(keyOf(lane))
    return false
  }

  /** A limit gives nothing now. The claim that was picked did not take place. */
  block(picked: Picked, untilMillis: number): void {
    const lane = this.lanes.get(keyOf(picked.lane))
    if (lane === undefined) return
    lane.virtual -= picked.quantum / this.options.definitionOf(lane.tenantId, lane.queue).weight
    lane.blockedUntilMillis = untilMillis
  }

  /** When the first lane that waits may be tried again. */
  nextMillis(nowMillis: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const key of this.live) {
      const lane = this.lanes.get(key)
      if (lane === undefined) continue
      const at = lane.isReady ? lane.blockedUntilMillis : lane.recheckAtMillis
      if (at > nowMillis && at < next) next = at
    }
    return next
  }
}
