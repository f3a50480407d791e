/**
 * The log of a process on standard error: one flat object of JSON per line, or text for a person at a terminal. Standard
 * output is for results.
 */
import * as Setting from "@hypermarket/core/Setting"
import * as StandardError from "@hypermarket/core/StandardError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

const level = Setting.make({
  name: "HM_LOG_LEVEL",
  doc: "The least severe level that is logged: Fatal, Error, Warn, Info, Debug or Trace.",
  read: (name) => Config.Literals(["Fatal", "Error", "Warn", "Info", "Debug", "Trace"], name),
  defaultValue: "Info" as const
})

const format = Setting.make({
  name: "HM_LOG_FORMAT",
  doc: "The form of log lines: json, one object per line, or pretty, text for a person.",
  read: (name) => Config.Literals(["json", "pretty"], name),
  defaultValue: "json" as const
})

export const settings: ReadonlyArray<Setting.Any> = [level, format]

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Fields of every line, in this order. No field of a message replaces one of them. */
const fixed: ReadonlySet<string> = new Set(["timestamp", "level", "message", "cause"])

const withoutFixed = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !fixed.has(name)))

/** The texts of a message are joined, its objects are fields of the line, as annotations are. */
const lineOf = Logger.map(
  Logger.formatStructured,
  ({ annotations, cause, level, message, spans, timestamp }): Fields => {
    const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
    const text = parts.filter((part) => !isFields(part)).map((part) => String(part))
    const fields = parts.filter(isFields).map(withoutFixed)
    return {
      timestamp,
      level,
      message: text.join(" "),
      ...Object.assign({}, withoutFixed(annotations), ...fields),
      ...(Object.keys(spans).length === 0 ? {} : { spans }),
      ...(cause === undefined ? {} : { cause })
    }
  }
)

/** A terminal acts on control characters; line feeds stay. */
const withoutControls = (text: string): string =>
  text.replaceAll(
    /[^\P{Cc}\n]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** A text that has spaces or is more than one line is written with quotes, as JSON has it. */
const valueOf = (value: unknown): string =>
  typeof value === "string" && /^[^\s"=\p{Cc}]+$/u.test(value)
    ? value
    : withoutControls(Formatter.formatJson(value))

/**
 * Writes a line of JSON as text for a person: the time of day, level, message, and the other fields. A cause is below, as
 * it is. A line that is no object of JSON stays.
 *
 * Control characters are escaped.
 */
export const prettyOf = (line: string): string => {
  let fields: unknown
  try {
    fields = JSON.parse(line)
  } catch {
    return line
  }
  if (!isFields(fields)) return line
  const { cause, level, message, timestamp, ...rest } = fields
  const shown = Object.entries(rest).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${valueOf(value)}`]
  )
  const head = [
    String(timestamp ?? "").slice("2026-01-01T".length, "2026-01-01T00:00:00.000".length),
    String(level ?? "INFO").padEnd(5),
    withoutControls(String(message ?? "")).replaceAll("\n", "\\n"),
    ...shown
  ].join(" ")
  return typeof cause === "string" ? `${head}\n${withoutControls(cause).replaceAll(/^/gm, "  ")}` : head
}

const prettyLines = (text: string): string =>
  text
    .split("\n")
    .map((line) => (line === "" ? line : prettyOf(line)))
    .join("\n")

/** Lines of JSON, of every level from Info on. */
export const layerDefault: Layer.Layer<never> = Logger.layer([
  Logger.make((options) => {
    StandardError.write(`${Formatter.formatJson(lineOf.log(options))}\n`)
  })
])

/** Writes all lines of the process, those of the access log too, in the form that the settings name. */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const isPretty = (yield* format.config) === "pretty"
    if (isPretty) StandardError.formatLines(prettyLines)
    return Layer.mergeAll(
      layerDefault,
      Layer.succeed(References.MinimumLogLevel, yield* level.config),
      // Without an exporter spans go nowhere, and making them costs a sixth of a request.
      Layer.succeed(References.TracerEnabled, false)
    )
  })
)
