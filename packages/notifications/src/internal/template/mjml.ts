/** Compiles MJML to HTML, in a thread that ends with the call. Liquid passes through. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import * as MarkupCheck from "./markup.ts"
import * as MjmlSource from "./mjmlSource.ts"
import type { Answer } from "./mjmlThread.ts"
import { placeAt, type TemplateFault } from "./place.ts"

/** 20 texts of 100,000 characters take some ten seconds on a slow core; past it the thread is terminated. */
const compileMillisMax = 20_000

/** The compiler's own memory grows by some 30 MB for the longest text. */
const resourceLimits = { maxOldGenerationSizeMb: 128, stackSizeMb: 4 }

/** Its own package finds the module both in the sources and in the build. A bundle that never publishes may lack it. */
const threadUrl = () =>
  pathToFileURL(
    createRequire(import.meta.url).resolve("@hypermarket/notifications/internal/template/mjmlThread")
  )

/** The elements of MJML 4 and 5 but for `mj-include` and `mj-font`: a template loads nothing from elsewhere but images. */
const elements = new Set(
  (
    "accordion accordion-element accordion-text accordion-title all attributes body breakpoint button carousel " +
    "carousel-image class column divider group head hero image navbar navbar-link preview raw section social " +
    "social-element spacer style table text title wrapper"
  ).split(" ")
)

/** Elements of MJML in elements; a template for people has ten. The compiler's stack ends at some thousands. */
const depthMax = 100

const elementPattern = /<(\/?)(mjml|mj-[\w-]+)((?:"[^"]*"|'[^']*'|[^<>"'])*)>?/gi
/** The compiler takes any closing tag for any element, so elements are matched here. */
const faultOfElements = (text: string): MarkupCheck.Fault | undefined => {
  const open: Array<{ readonly name: string; readonly offset: number }> = []
  for (const match of MjmlSource.withoutComments(text).matchAll(elementPattern)) {
    const [whole, slash, written = "", rest = ""] = match
    const offset = match.index
    const name = written.toLowerCase()
    const fault = (message: string) => ({ offset, message })
    if (!whole.endsWith(">")) return fault(`Expected the > of <${name}`)
    if (name !== "mjml" && !elements.has(name.slice(3)))
      return fault(`Expected an element of MJML, not <${name}>`)
    if (slash === "/") {
      const opened = open.pop()
      if (opened?.name !== name)
        return fault(opened === undefined ? `Expected <${name}> before` : `Expected </${opened.name}>`)
    } else if (!rest.trimEnd().endsWith("/")) {
      open.push({ name, offset })
      if (open.length > depthMax) return fault(`Expected at most ${depthMax} elements in elements`)
    }
  }
  const left = open.pop()
  return left === undefined ? undefined : { offset: left.offset, message: `Expected </${left.name}>` }
}

const faultOfSource = (source: string, prepared: MjmlSource.Prepared): MarkupCheck.Fault | undefined => {
  const reserved = MjmlSource.reserved.exec(source)
  if (reserved !== null) return { offset: reserved.index, message: "Expected no hexagram" }
  const fault = faultOfElements(prepared.text)
  if (fault !== undefined) return { ...fault, offset: prepared.sourceOffset(fault.offset) }
  return MarkupCheck.faultOf(source)
}

/** The offset of a place that the compiler has counted in lines and characters. */
const offsetOf = (text: string, line: number, column: number): number => {
  const lines = text.split("\n")
  const before = lines.slice(0, line - 1).reduce((offset, { length }) => offset + length + 1, 0)
  return (
    before +
    Array.from(lines[line - 1] ?? "")
      .slice(0, column - 1)
      .join("").length
  )
}

/** Its other offsets are of bytes in UTF-8. */
const offsetOfBytes = (text: string, bytes: number): number =>
  Buffer.from(text).subarray(0, bytes).toString("utf8").length

const faultOfAnswer = (text: string, answer: Exclude<Answer, { readonly type: "success" }>) => {
  if (answer === undefined) return { offset: 0, message: "Expected elements that are nested less deeply" }
  if (answer.origin === "render") return { offset: 0, message: answer.message }
  const { details, message } = answer
  if (details.type === "no-root-node") return { offset: 0, message: "Expected an <mjml> element" }
  if (details.type === "end-of-stream")
    return { offset: text.length, message: "Expected the end of every element" }
  if (details.type === "parser-error") {
    const [, line, column, cause] = /at (\d+):(\d+)(?: cause (.*))?$/.exec(details.source) ?? []
    return {
      offset: line === undefined ? 0 : offsetOf(text, Number(line), Number(column)),
      message: `Expected MJML: ${cause ?? details.source}`
    }
  }
  return {
    offset: "position" in details ? offsetOfBytes(text, details.position.start) : 0,
    message: message.replace(/ in root template.*$/, "")
  }
}

const htmlOf = (
  source: string,
  prepared: MjmlSource.Prepared,
  answer: Answer
): Result.Result<string, TemplateFault> => {
  const fail = ({ message, offset }: MarkupCheck.Fault) =>
    Result.fail({ ...placeAt(source, Math.min(offset, source.length)), message })
  if (answer?.type !== "success") {
    const { message, offset } = faultOfAnswer(prepared.text, answer)
    return fail({ offset: prepared.sourceOffset(offset), message })
  }
  // The compiler leaves out what it has no place for, or computes with. A tag that is lost would change the meaning of others.
  const lost = prepared.lost(answer.content)
  if (lost !== undefined) {
    return fail({ offset: lost.offset, message: `Expected ${lost.text} in a text, <mj-raw> or a link` })
  }
  const misplaced = /<(mj-[\w-]+)/i.exec(answer.content)?.[1]
  if (misplaced !== undefined) {
    const message = `Expected <${misplaced}> in an element that takes it`
    return fail({ offset: Math.max(0, source.indexOf(`<${misplaced}`)), message })
  }
  const html = prepared.restore(answer.content)
  const fault = MarkupCheck.faultOf(html, { isGenerated: true })
  return fault === undefined ? Result.succeed(html) : fail({ offset: 0, message: fault.message })
}

/** Runs the compiler. Undefined when it takes too long, or needs too much memory. */
const answersOf = (sources: ReadonlyArray<string>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Worker(threadUrl(), { resourceLimits, workerData: sources })),
    (thread) =>
      Effect.callback<ReadonlyArray<Answer> | undefined>((resume) => {
        thread.once("message", (answers) => resume(Effect.succeed(answers)))
        // An error of the thread would end the process without a listener.
        thread.on("error", () => resume(Effect.succeed(undefined)))
        thread.once("exit", () => resume(Effect.succeed(undefined)))
      }),
    (thread) => Effect.promise(() => thread.terminate())
  ).pipe(Effect.timeoutOrElse({ duration: compileMillisMax, orElse: () => Effect.succeed(undefined) }))

/** Compiles texts, each by itself. The first fault of a text has its place. */
export const compile = Effect.fn("Mjml.compile")(function* (sources: ReadonlyArray<string>) {
  const checked = sources.map((source) => {
    const prepared = MjmlSource.prepare(source)
    return { source, prepared, fault: faultOfSource(source, prepared) }
  })
  const answers = checked.every(({ fault }) => fault === undefined)
    ? yield* answersOf(checked.map(({ prepared }) => prepared.text))
    : []
  return checked.map(({ fault, prepared, source }, index): Result.Result<string, TemplateFault> => {
    if (fault !== undefined) return Result.fail({ ...placeAt(source, fault.offset), message: fault.message })
    return answers === undefined
      ? Result.fail({ line: 1, column: 1, message: "Expected MJML that compiles in 20 seconds" })
      : htmlOf(source, prepared, answers[index])
  })
})
