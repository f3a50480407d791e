/** The thread in which `reader.ts` reads bodies. Exported, so that the thread can be started from a bundle too. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { parentPort } from "node:worker_threads"
import * as Reading from "./reading.ts"

export interface Job {
  readonly id: number
  readonly received: Reading.Received
}

export interface Done {
  readonly id: number
  /** Or the name of the error when reading failed, which is a mistake of ours. */
  readonly outcome: { readonly answer: Reading.Answer } | { readonly defect: string }
}

parentPort?.on("message", ({ id, received }: Job) =>
  Effect.runCallback(
    Effect.suspend(() => Reading.read(received)),
    {
      onExit: (exit) => {
        const outcome =
          exit._tag === "Success"
            ? { answer: exit.value }
            : { defect: Reading.nameOfDefect(Cause.squash(exit.cause)) }
        parentPort?.postMessage({ id, outcome } satisfies Done, [])
      }
    }
  )
)
parentPort?.postMessage("ready", [])
