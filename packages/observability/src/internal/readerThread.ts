/** The thread in which `reader.ts` reads bodies. Exported, so that the thread can be started from a bundle too. */
import * as Effect from "effect/Effect"
import { parentPort } from "node:worker_threads"
import * as Reading from "./reading.ts"

export interface Job {
  readonly id: number
  readonly received: Reading.Received
}

/** Without an answer when reading failed, which is a mistake of ours. */
export interface Done {
  readonly id: number
  readonly answer?: Reading.Answer
}

parentPort?.on("message", ({ id, received }: Job) =>
  Effect.runCallback(Reading.read(received), {
    onExit: (exit) =>
      parentPort?.postMessage(
        (exit._tag === "Success" ? { id, answer: exit.value } : { id }) satisfies Done,
        []
      )
  })
)
parentPort?.postMessage("ready", [])
