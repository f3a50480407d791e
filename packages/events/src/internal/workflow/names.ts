/** Names of queues and executions of workflows. */
import { hash } from "node:crypto"

/** As many as a queue's name has room for beside the prefix and the version. */
const nameLengthMax = 80
const digestDigits = 16
const executionIdDigits = 32

/** Returns the name with each character that a queue's name may not have as `_` and its hexadecimal code. */
const escaped = (name: string): string =>
  name.replaceAll(/[^a-z0-9-]/g, (character) => `_${(character.codePointAt(0) ?? 0).toString(16)}_`)

/** Returns the queue of a version of a workflow: only a worker that has registered the version claims from it. */
export const queueOf = (name: string, version: number): string => {
  const text = escaped(name)
  const short =
    text.length <= nameLengthMax
      ? text
      : `${text.slice(0, nameLengthMax)}_${hash("sha256", name).slice(0, digestDigits)}`
  return `workflow.${short}.${version}`
}

/** Returns the id that Effect gives to the execution of a workflow with a key. */
export const executionIdOf = (name: string, key: string): string =>
  hash("sha256", `${name.length}:${name}:${key}`).slice(0, executionIdDigits)

/** The queue of clocks, which every worker of the events domain handles. */
export const clockQueue = "events.workflow-clock" as const
