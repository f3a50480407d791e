/**
 * Fairness in the worker's memory: start-time fair queueing over lanes. No row is written for it, at publish or claim.
 *
 * A lane is a (tenant, queue, priority). Its virtual time grows by the work it was given over its weight; the lane with
 * the smallest goes first, and one that had nothing to do starts at the virtual clock: a newcomer goes before every
 * backlogged lane.
 */
import type { ClaimLane, LaneRow } from "./statements.ts"
import { quarantinePrefix } from "./statements.ts"

interface Lane extends LaneRow {
  virtual: number
  isReady: boolean
  /** Below it nothing is expected; see `hintOf`. */
  hint: number
  highest: number
  highestAtMillis: number
  rescannedAtMillis: number
}

/**
 * A hint may only pass what was claimed at least this long ago: a slower transaction may still commit a smaller sequence
 * number.
 */
const hintAgeMillis = 200
/** What a hint hid after all, or what was retried, is found by a scan without hint this often. */
const rescanMillis = 1_000
/** A lane that was empty for long is forgotten; a sweep finds it again. */
const lanesMax = 50_000

const keyOf = (lane: LaneRow): string => `${lane.tenantId}\u0000${lane.queue}\u0000${lane.priority}`

export interface Picked {
  readonly lane: ClaimLane
  readonly quantum: number
}

export interface Options {
  readonly handles: (queue: string) => boolean
  readonly isPaused: (tenantId: string, queue: string) => boolean
  readonly weightOf: (tenantId: string, queue: string) => number
  readonly random: () => number
}

export class Lanes {
  private readonly lanes = new Map<string, Lane>()
  private clock = 0
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** There may be jobs in this lane. */
  add(row: LaneRow): void {
    if (!this.options.handles(row.queue.replace(quarantinePrefix, ""))) return
    const key = keyOf(row)
    const known = this.lanes.get(key)
    if (known === undefined) {
      if (this.lanes.size >= lanesMax) this.forget()
      this.lanes.set(key, {
        ...row,
        virtual: this.clock,
        isReady: true,
        hint: 0,
        highest: 0,
        highestAtMillis: 0,
        rescannedAtMillis: 0
      })
    } else if (!known.isReady) {
      known.isReady = true
      known.virtual = Math.max(known.virtual, this.clock)
    }
  }

  private forget(): void {
    for (const [key, lane] of this.lanes) if (!lane.isReady) this.lanes.delete(key)
  }

  hasReady(): boolean {
    for (const lane of this.lanes.values()) {
      if (lane.isReady && !this.options.isPaused(lane.tenantId, lane.queue)) return true
    }
    return false
  }

  /**
   * The lanes of the next claim. Quarantined jobs are claimed one at a time, and only while nothing else is in flight: they
   * may take the process down.
   */
  pick(batchMax: number, lanesInClaimMax: number, isIdle: boolean, nowMillis: number): ReadonlyArray<Picked> {
    // Of a tenant's queue only the most urgent lane: less urgent ones wait until it is empty.
    const mostUrgent = new Map<string, Lane>()
    const quarantined: Array<Lane> = []
    for (const lane of this.lanes.values()) {
      if (!lane.isReady || this.options.isPaused(lane.tenantId, lane.queue)) continue
      if (lane.queue.startsWith(quarantinePrefix)) {
        quarantined.push(lane)
        continue
      }
      const key = `${lane.tenantId}\u0000${lane.queue}`
      const rival = mostUrgent.get(key)
      if (rival === undefined || rival.priority < lane.priority) mostUrgent.set(key, lane)
    }
    const ready = Array.from(mostUrgent.values())
    const [suspect] = quarantined
    if (ready.length === 0 && suspect !== undefined && isIdle) {
      return [{ lane: { ...suspect, hint: 0, limit: 1 }, quantum: 1 }]
    }
    // Equal virtual times are broken by chance: two processes must not walk the lanes in the same order.
    const order = ready
      .map((lane) => ({ lane, tie: this.options.random() }))
      .toSorted((a, b) => a.lane.virtual - b.lane.virtual || a.tie - b.tie)
      .slice(0, lanesInClaimMax)
    const share = Math.max(1, Math.ceil(batchMax / Math.max(1, order.length)))
    return order.map(({ lane }) => {
      const weight = this.options.weightOf(lane.tenantId, lane.queue)
      const quantum = share * weight
      this.clock = Math.max(this.clock, lane.virtual)
      lane.virtual += quantum / weight
      return {
        lane: {
          tenantId: lane.tenantId,
          queue: lane.queue,
          priority: lane.priority,
          hint: this.hintOf(lane, nowMillis),
          limit: quantum
        },
        quantum
      }
    })
  }

  private hintOf(lane: Lane, nowMillis: number): number {
    if (nowMillis - lane.rescannedAtMillis >= rescanMillis) {
      lane.rescannedAtMillis = nowMillis
      return 0
    }
    return lane.hint
  }

  /** What a claim found in a lane. */
  found(picked: Picked, count: number, highestSeq: number, nowMillis: number): void {
    const lane = this.lanes.get(keyOf(picked.lane))
    if (lane === undefined) return
    lane.virtual -= (picked.quantum - count) / this.options.weightOf(lane.tenantId, lane.queue)
    if (count >= picked.quantum) {
      if (nowMillis - lane.highestAtMillis >= hintAgeMillis) {
        lane.hint = lane.highest
        lane.highest = highestSeq
        lane.highestAtMillis = nowMillis
      }
      return
    }
    // A short claim with a hint may have passed something by: stay ready for the scan without it, when that is due. When
    // it is not, the sweep finds what is left.
    if (picked.lane.hint > 0 && nowMillis - lane.rescannedAtMillis >= rescanMillis) return
    lane.isReady = false
  }
}
