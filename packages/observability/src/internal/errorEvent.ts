/**
 * An error of this process as an event in the form of the SDKs.
 */
import type * as Schema from "effect/Schema"

/** A chain of causes that is longer has been wrapped in a loop. */
const causesMax = 10
const framesMax = 100
const textLengthMax = 8_192

export interface Captured {
  readonly error: unknown
  readonly level: "error" | "fatal"
  /** Beside the error, such as the line of a log. */
  readonly message?: string | undefined
  readonly tags?: Readonly<Record<string, string>>
  readonly extra?: Readonly<Record<string, unknown>>
}

const frameForm = /^\s*at (?:(.*?) \()?(?:file:\/\/)?(.+?):(\d+):(\d+)\)?$/

/** The frames of a V8 stack, the crash last. */
const framesOf = (stack: string): ReadonlyArray<Schema.Json> =>
  stack
    .split("\n")
    .slice(0, framesMax)
    .flatMap((line): ReadonlyArray<Schema.Json> => {
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

const textOf = (value: unknown): string => {
  try {
    return String(value).slice(0, textLengthMax)
  } catch {
    return "A value without a text"
  }
}

const fieldOf = (value: unknown, name: string): unknown => {
  try {
    return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
  } catch {
    return undefined
  }
}

const exceptionOf = (error: unknown): Schema.Json => {
  const stack = fieldOf(error, "stack")
  const frames = typeof stack === "string" ? framesOf(stack) : []
  const tag = fieldOf(error, "_tag")
  const name = typeof tag === "string" ? tag : fieldOf(error, "name")
  const message = fieldOf(error, "message")
  return {
    type: typeof name === "string" ? name.slice(0, 200) : "Error",
    value: typeof message === "string" ? message.slice(0, textLengthMax) : textOf(error),
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

/** A value that cannot be written as JSON is left out. */
const jsonOf = (value: Readonly<Record<string, unknown>>): Schema.Json => {
  try {
    return JSON.parse(
      JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item))
    )
  } catch {
    return {}
  }
}

export const make = (
  { error, extra = {}, level, message, tags = {} }: Captured,
  context: { readonly eventId: string; readonly atMillis: number; readonly release: string | undefined }
): Readonly<Record<string, Schema.Json>> => ({
  event_id: context.eventId,
  timestamp: context.atMillis / 1000,
  platform: "node",
  level,
  ...(context.release === undefined ? {} : { release: context.release }),
  ...(message === undefined ? {} : { message: message.slice(0, textLengthMax) }),
  ...(error === undefined ? {} : { exception: { values: exceptionsOf(error) } }),
  tags,
  extra: jsonOf(extra)
})
