/** The batches that a process has claimed and not acknowledged. All its claim loops share them. */
import type * as Fiber from "effect/Fiber"
import type { Batch } from "./batch.ts"
import { BatchSizeController } from "./batchSizeController.ts"

export class InFlight {
  /** Batches by id. */
  readonly batches = new Map<string, Batch>()
  isStopping = false
  /** Fibers of the batches that their claim loop no longer waits for. */
  readonly detached = new Set<Fiber.Fiber<void>>()
  private readonly controllers = new Map<string, BatchSizeController>()
  private readonly batchMax: number
  private readonly claimConcurrency: number
  private readonly concurrencyOf: (queue: string) => number

  /** `concurrencyOf` returns the number of jobs of a queue that its handler runs concurrently. */
  constructor(batchMax: number, claimConcurrency: number, concurrencyOf: (queue: string) => number) {
    this.batchMax = batchMax
    this.claimConcurrency = claimConcurrency
    this.concurrencyOf = concurrencyOf
  }

  batchSizeOf(queue: string): BatchSizeController {
    const existing = this.controllers.get(queue)
    if (existing !== undefined) return existing
    const controller = new BatchSizeController(this.concurrencyOf(queue), this.batchMax)
    this.controllers.set(queue, controller)
    return controller
  }

  /** Returns how many more jobs of a queue this process may claim now. */
  capacityOf(queue: string): number {
    let unfinished = 0
    for (const batch of this.batches.values()) unfinished += batch.unfinished.get(queue) ?? 0
    const { jobsMax } = this.batchSizeOf(queue)
    return Math.min(jobsMax, jobsMax * this.claimConcurrency - unfinished)
  }
}
