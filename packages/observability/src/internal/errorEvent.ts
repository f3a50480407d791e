/**
 * An error of this process as an event in the form of the SDKs.
 */
import type * as Schema from "effect/Schema"
import { fieldOf, recordOf, textOf } from "./boundedJson.ts"

/** A chain of causes that is longer has been wrapped in a loop. */
const causesMax = 10
const framesMax = 100
const textLengthMax = 8_192
/** A stack of a hundred frames has some ten thousand characters. */
const stackLengthMax = 65_536
/** A longer line is no frame: the pattern would go over it again and again. */
const frameLengthMax = 1_024
const nameLengthMax = 200
const tagsMax = 100
const tagLengthMax = 200

export interface Captured {
  readonly error: unknown
  readonly level: "error" | "fatal"
  /** Beside the error, such as the line of a log. */
  readonly message?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

const frameForm = /^\s*at (?:(.*?) \()?(?:file:\/\/)?(.+?):(\d+):(\d+)\)?$/

/** The stack after its first lines, which repeat the message: a long one would push the frames out. */
const withoutMessage = (stack: string, message: unknown): string => {
  if (typeof message !== "string" || message === "") return stack
  const at = stack.indexOf(message)
  return at < 0 || at > nameLengthMax || stack.lastIndexOf("\n", at) >= 0
    ? stack
    : stack.slice(at + message.length)
}

/** The frames of a V8 stack, the crash last. */
const framesOf = (stack: string): ReadonlyArray<Schema.Json> =>
  stack
    .slice(0, stackLengthMax)
    .split("\n", framesMax)
    .flatMap((line): ReadonlyArray<Schema.Json> => {
      if (line.length > frameLengthMax) return []
      const [, name, path = "", lineno, colno] = frameForm.exec(line) ?? []
      if (path === "") return []
      return [
        {
          function: name ?? "?",
          filename: path,
          abs_path: path,
          lineno: Number(lineno),
          colno: Number(colno),
          in_app: !path.startsWith("node:") && !path.includes("/node_modules/")
        }
      ]
    })
    .toReversed()

const exceptionOf = (error: unknown): Schema.Json => {
  const stack = fieldOf(error, "stack")
  const message = fieldOf(error, "message")
  const frames = typeof stack === "string" ? framesOf(withoutMessage(stack, message)) : []
  const tag = fieldOf(error, "_tag")
  const name = typeof tag === "string" ? tag : fieldOf(error, "name")
  return {
    type: typeof name === "string" ? name.slice(0, nameLengthMax) : "Error",
    value: typeof message === "string" ? message.slice(0, textLengthMax) : textOf(error, textLengthMax),
    ...(frames.length === 0 ? {} : { stacktrace: { frames } })
  }
}

/** The error and its causes, the outermost last. */
const exceptionsOf = (error: unknown): ReadonlyArray<Schema.Json> => {
  const chain: Array<Schema.Json> = []
  const seen = new Set<unknown>()
  for (
    let at = error;
    at !== undefined && at !== null && chain.length < causesMax;
    at = fieldOf(at, "cause")
  ) {
    if (seen.has(at)) break
    seen.add(at)
    chain.push(exceptionOf(at))
  }
  return chain.toReversed()
}

const tagsOf = (tags: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(recordOf(tags))
      .slice(0, tagsMax)
      .map(([name, value]) => [name, textOf(value, tagLengthMax)])
  )

/** Never throws, whatever the error and its details do when they are read. */
export const make = (
  { error, extra, level, message, tags }: Captured,
  context: { readonly eventId: string; readonly atMillis: number; readonly release: string | undefined }
): Readonly<Record<string, Schema.Json>> => ({
  event_id: context.eventId,
  timestamp: context.atMillis / 1000,
  platform: "node",
  level,
  ...(context.release === undefined ? {} : { release: context.release }),
  ...(message === undefined ? {} : { message: textOf(message, textLengthMax) }),
  ...(error === undefined ? {} : { exception: { values: exceptionsOf(error) } }),
  tags: tagsOf(tags),
  extra: recordOf(extra)
})
