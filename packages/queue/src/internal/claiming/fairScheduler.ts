/**
 * Schedules flows fairly, in the worker's memory: start-time fair queueing (Goyal, Vin and Cheng, 1996). Neither an enqueue
 * nor a claim writes a row for it.
 *
 * The virtual time of a flow grows by its claimed jobs over its weight. The flow with the smallest virtual time is next.
 * A flow that was idle starts at the virtual clock, so a newcomer goes before every backlogged flow.
 */
import { queueOfFlow, quarantinePrefix } from "../jobRow.ts"
import type { ClaimFlow, FlowRow } from "../statements/flow.ts"

interface Flow extends FlowRow {
  virtual: number
  isReady: boolean
  /** No claim since it became ready: it goes first among equals, otherwise it would wait for all of them. */
  isNew: boolean
  /** Lowest sequence number at which a job is expected; see `hintOf`. */
  hint: number
  /** Highest sequence number that a full claim has returned; see `hintOf`. */
  frontier: number
  lookedBackAtMillis: number
  highest: number
  highestAtMillis: number
  rescannedAtMillis: number
  /** Until when a limit of its queue allows no claim. */
  blockedUntilMillis: number
  /** When a flow that is not ready is claimed once more, without its hint; 0 when it need not be. */
  recheckAtMillis: number
}

/**
 * Minimum age of a claimed sequence number before the hint passes it: a slower transaction may still commit a smaller
 * number.
 */
const hintAgeMillis = 200
/**
 * Between looks back, the claims of a busy flow begin where the last one ended. The last 200 ms are about ten thousand dead
 * entries, and stepping over them takes a twentieth of a claim.
 */
const lookBackMillis = 50
/** Interval of claims without a hint: they find retried jobs, and jobs that the hint has passed. */
const rescanMillis = 1_000
/** Maximum flows in memory. At the limit idle flows are evicted; a sweep finds them again. */
const flowsMax = 50_000

const keyOf = (flow: FlowRow): string => `${flow.tenantId}\u0000${flow.queue}\u0000${flow.priority}`

export interface SelectedFlow {
  readonly flow: ClaimFlow
  readonly quantum: number
}

/** The flows of the next claim: several without limits, or a single one of a limited queue. */
export interface Selection {
  readonly selected: ReadonlyArray<SelectedFlow>
  readonly isLimited: boolean
  /** True when other flows are ready too: work for another loop. */
  readonly isMore: boolean
}

/** Settings of a tenant's queue. */
export interface Settings {
  readonly paused: boolean
  readonly weight: number
  readonly isLimited: boolean
}

export interface Options {
  readonly handles: (queue: string) => boolean
  readonly settingsOf: (tenantId: string, queue: string) => Settings
  /** Returns how many more jobs of a queue this process may claim now. */
  readonly capacityOf: (queue: string) => number
  readonly random: () => number
}

export class FairScheduler {
  private readonly flows = new Map<string, Flow>()
  /** Flows that are ready or are to be rechecked: idle ones cost nothing. */
  private readonly live = new Set<string>()
  private clock = 0
  private wasOfNewcomers = false
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** Notes that a flow may have jobs. Returns false for one without a handler here. */
  add(row: FlowRow): boolean {
    if (!this.options.handles(queueOfFlow(row.queue))) return false
    const key = keyOf(row)
    const existing = this.flows.get(key)
    if (existing === undefined) {
      if (this.flows.size >= flowsMax) this.evictIdle()
      this.flows.set(key, {
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
    } else if (!existing.isReady) {
      this.live.add(key)
      existing.isReady = true
      existing.isNew = true
      existing.recheckAtMillis = 0
      existing.virtual = Math.max(existing.virtual, this.clock)
    }
    return true
  }

  private evictIdle(): void {
    for (const key of this.flows.keys()) if (!this.live.has(key)) this.flows.delete(key)
  }

  /** Yields the flows that may be claimed from. */
  private *ready(nowMillis: number): Iterable<Flow> {
    for (const key of this.live) {
      const flow = this.flows.get(key)
      if (flow === undefined) continue
      if (!flow.isReady) {
        if (nowMillis < flow.recheckAtMillis) continue
        flow.isReady = true
        flow.recheckAtMillis = 0
        flow.virtual = Math.max(flow.virtual, this.clock)
      }
      if (flow.blockedUntilMillis <= nowMillis) yield flow
    }
  }

  /** Returns one job of a quarantined flow; undefined when there is none. */
  selectQuarantined(nowMillis: number): Selection | undefined {
    for (const flow of this.ready(nowMillis)) {
      if (!flow.queue.startsWith(quarantinePrefix)) continue
      const { isLimited, paused } = this.options.settingsOf(flow.tenantId, flow.queue)
      if (paused) continue
      const { priority, queue, tenantId } = flow
      return {
        isLimited,
        isMore: false,
        selected: [{ quantum: 1, flow: { tenantId, queue, priority, hint: 0, limit: 1 } }]
      }
    }
    return undefined
  }

  /** Returns the flows of the next claim; undefined when none is ready. */
  select(batchMax: number, flowsInClaimMax: number, nowMillis: number): Selection | undefined {
    // Only the flow with the greatest priority of a tenant's queue: lesser ones wait until it is empty.
    const mostUrgent = new Map<string, Flow>()
    let flowsReady = 0
    for (const flow of this.ready(nowMillis)) {
      if (flow.queue.startsWith(quarantinePrefix)) continue
      flowsReady++
      const key = `${flow.tenantId}\u0000${flow.queue}`
      const rival = mostUrgent.get(key)
      if (rival === undefined || rival.priority < flow.priority) mostUrgent.set(key, flow)
    }
    const capacity = new Map<string, number>()
    const ready: Array<{ readonly flow: Flow; readonly tie: number; readonly settings: Settings }> = []
    for (const flow of mostUrgent.values()) {
      const settings = this.options.settingsOf(flow.tenantId, flow.queue)
      const left = capacity.get(flow.queue) ?? this.options.capacityOf(flow.queue)
      capacity.set(flow.queue, left)
      // Equal virtual times are ordered at random: two processes must not walk the flows in the same order. A newcomer
      // precedes its equals.
      if (!settings.paused && left > 0)
        ready.push({ flow, tie: this.options.random() - (flow.isNew ? 1 : 0), settings })
    }
    const [first, ...rest] = ready.toSorted((a, b) => a.flow.virtual - b.flow.virtual || a.tie - b.tie)
    if (first === undefined) return undefined
    const unlimited = rest.filter(({ settings }) => !settings.isLimited)
    // Newcomers are claimed without the others: the claim is short, and their jobs start before a backlog is claimed. The
    // next claim is of all flows again, or a stream of newcomers would starve the backlog.
    const isOfNewcomers =
      first.flow.isNew &&
      !this.wasOfNewcomers &&
      !first.settings.isLimited &&
      unlimited.some(({ flow }) => !flow.isNew)
    this.wasOfNewcomers = isOfNewcomers
    // A limited queue is claimed alone: its claim holds a lock.
    const others = first.settings.isLimited
      ? []
      : isOfNewcomers
        ? unlimited.filter(({ flow }) => flow.isNew)
        : unlimited
    const chosen = [first, ...others.slice(0, flowsInClaimMax - 1)]
    // A small capacity is shared by the flows too.
    const shares = new Map(
      Array.from(capacity, ([queue, left]) => [
        queue,
        Math.max(1, Math.ceil(Math.min(batchMax, left) / chosen.length))
      ])
    )
    const selected: Array<SelectedFlow> = []
    for (const { flow, settings } of chosen) {
      const left = capacity.get(flow.queue) ?? 0
      if (left <= 0) continue
      const quantum = Math.min((shares.get(flow.queue) ?? 1) * settings.weight, left)
      capacity.set(flow.queue, left - quantum)
      this.clock = Math.max(this.clock, flow.virtual)
      flow.virtual += quantum / settings.weight
      flow.isNew = false
      selected.push({
        quantum,
        flow: {
          tenantId: flow.tenantId,
          queue: flow.queue,
          priority: flow.priority,
          hint: this.hintOf(flow, nowMillis),
          limit: quantum
        }
      })
    }
    return { selected, isLimited: first.settings.isLimited, isMore: flowsReady > selected.length }
  }

  private hintOf(flow: Flow, nowMillis: number): number {
    if (nowMillis - flow.rescannedAtMillis >= rescanMillis) {
      flow.rescannedAtMillis = nowMillis
      flow.lookedBackAtMillis = nowMillis
      return 0
    }
    if (nowMillis - flow.lookedBackAtMillis < lookBackMillis) return Math.max(flow.hint, flow.frontier)
    flow.lookedBackAtMillis = nowMillis
    return flow.hint
  }

  /** Returns the flows that may have dead entries of claimed jobs, with the number at which a sweep may begin. */
  hinted(nowMillis: number): ReadonlyArray<FlowRow & { readonly hint: number }> {
    const hinted: Array<FlowRow & { readonly hint: number }> = []
    for (const { hint, highest, highestAtMillis, priority, queue, tenantId } of this.flows.values()) {
      const from = nowMillis - highestAtMillis >= hintAgeMillis ? highest : hint
      if (from > 0) hinted.push({ tenantId, queue, priority, hint: from })
    }
    return hinted
  }

  /**
   * Records the result of a claim for one flow. `isCut` means that its jobs exceeded a limit of bytes. Returns true when
   * the flow may have more jobs.
   */
  report(
    { flow: claimed, quantum }: SelectedFlow,
    count: number,
    highestSeq: number,
    isCut: boolean,
    nowMillis: number
  ): boolean {
    const flow = this.flows.get(keyOf(claimed))
    if (flow === undefined) return false
    flow.virtual -= (quantum - count) / this.options.settingsOf(flow.tenantId, flow.queue).weight
    if (isCut || count >= claimed.limit) {
      flow.frontier = Math.max(flow.frontier, highestSeq)
      if (nowMillis - flow.highestAtMillis >= hintAgeMillis) {
        flow.hint = flow.highest
        flow.highest = highestSeq
        flow.highestAtMillis = nowMillis
      }
      return true
    }
    // The claim began at the frontier, and there may be jobs before it.
    if (claimed.hint > flow.hint) {
      flow.lookedBackAtMillis = 0
      return true
    }
    flow.isReady = false
    // A short claim with a hint may have missed a job: the flow is claimed once more without it.
    if (claimed.hint > 0) flow.recheckAtMillis = flow.rescannedAtMillis + rescanMillis
    else this.live.delete(keyOf(flow))
    return false
  }

  /** Records that a limit prevented the claim of a selected flow. */
  block({ flow: claimed, quantum }: SelectedFlow, untilMillis: number): void {
    const flow = this.flows.get(keyOf(claimed))
    if (flow === undefined) return
    flow.virtual -= quantum / this.options.settingsOf(flow.tenantId, flow.queue).weight
    flow.blockedUntilMillis = untilMillis
  }

  /** Returns when the first blocked or idle flow may be claimed again. */
  nextMillis(nowMillis: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const key of this.live) {
      const flow = this.flows.get(key)
      if (flow === undefined) continue
      const at = flow.isReady ? flow.blockedUntilMillis : flow.recheckAtMillis
      if (at > nowMillis && at < next) next = at
    }
    return next
  }
}
