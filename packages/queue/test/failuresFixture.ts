/** Findings and jobs for the tests of failures. */
import * as QueueChecks from "@hypermarket/queue/QueueChecks"
import { Effect } from "effect"
import { prefix } from "./queueFixture.ts"

export const findings = (name: string) =>
  Effect.forEach(
    QueueChecks.make(prefix).filter((check) => check.name === name),
    (check) => check.run
  ).pipe(Effect.map((lists) => lists.flat()))

export const numbered = (queue: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ queue, type: "t", payload: index }))
