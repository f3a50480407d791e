/** Parses and renders the parts of a template: closed (no files, no prototypes) and bounded. */
import {
  AssignTag,
  BreakTag,
  CaptureTag,
  CaseTag,
  CommentTag,
  Context,
  ContinueTag,
  type Emitter,
  evalToken,
  ForTag,
  IfTag,
  Liquid,
  LiquidError,
  RawTag,
  type TagToken,
  type Template,
  toValueSync,
  UnlessTag
} from "liquidjs"
import * as Result from "effect/Result"
import { arrayMax, BoundedEmitter, BudgetExceeded, charge, chargeValue } from "./budget.ts"
import { escapeHtml, filtersOf, Markup, type Place, setPlace, textOf } from "./filters.ts"
import * as MarkupCheck from "./markup.ts"
import { placeAt, type TemplateFault } from "./place.ts"
import * as Spans from "./spans.ts"

export type Format = "html" | "text"

/** Blocks in blocks; more is a template that grows without bound. */
const depthMax = 100
/** liquidjs' own count of what filters make, behind ours. */
const memoryMax = 16_777_216

class CountedIf extends IfTag {
  override *render(context: Context, emitter: Emitter) {
    charge(context, 1)
    return yield* super.render(context, emitter)
  }
}

class CountedAssign extends AssignTag {
  override *render(context: Context) {
    charge(context, 1)
    return yield* super.render(context)
  }
}

class CountedFor extends ForTag {
  override *render(context: Context, emitter: Emitter) {
    const collection: unknown = yield evalToken(this.collection, context)
    const length =
      Array.isArray(collection) || typeof collection === "string"
        ? collection.length
        : typeof collection === "object" && collection !== null
          ? Object.keys(collection).length
          : 0
    if (length > arrayMax) throw new BudgetExceeded(`Expected at most ${arrayMax} elements in a loop`)
    // Before the loop runs: an empty body would be free.
    charge(context, 1 + length)
    return yield* super.render(context, emitter)
  }
}

/** Captures HTML as HTML: it is not escaped again. */
class HtmlCapture extends CaptureTag {
  override *render(context: Context) {
    charge(context, 1)
    const emitter = new BoundedEmitter()
    yield this.liquid.renderer.renderTemplates(this.templates, context, emitter)
    Reflect.set(context.bottom(), this.variable, new Markup(emitter.buffer))
  }
}

class TextCapture extends CaptureTag {
  override *render(context: Context) {
    charge(context, 1)
    const emitter = new BoundedEmitter()
    yield this.liquid.renderer.renderTemplates(this.templates, context, emitter)
    Reflect.set(context.bottom(), this.variable, emitter.buffer)
  }
}

const tags = {
  assign: CountedAssign,
  break: BreakTag,
  case: CaseTag,
  comment: CommentTag,
  continue: ContinueTag,
  for: CountedFor,
  if: CountedIf,
  raw: RawTag,
  unless: UnlessTag
} as const

const makeEngine = (format: Format): Liquid => {
  const engine = new Liquid({
    strictFilters: true,
    ownPropertyOnly: true,
    templates: {},
    cache: false,
    memoryLimit: memoryMax,
    outputEscape: function (this: { readonly context: Context }, value: unknown) {
      chargeValue(this.context, value, 1)
      return format === "html" ? escapeHtml(value) : textOf(value)
    }
  })
  for (const name of Object.keys(engine.tags)) delete engine.tags[name]
  for (const name of Object.keys(engine.filters)) delete engine.filters[name]
  for (const [name, tag] of Object.entries(tags)) engine.registerTag(name, tag)
  engine.registerTag("capture", format === "html" ? HtmlCapture : TextCapture)
  for (const [name, filter] of filtersOf(format)) engine.registerFilter(name, filter)
  return engine
}

const engines = { html: makeEngine("html"), text: makeEngine("text") } as const

const opening = /\{%-?\s*(if|unless|for|case|capture)\b/
const closing = /\{%-?\s*end(?:if|unless|for|case|capture)\b/

const tooDeep = (source: string): TemplateFault | undefined => {
  let depth = 0
  for (const { index, text } of Spans.find(source, [Spans.tags])) {
    if (opening.test(text)) depth++
    else if (closing.test(text)) depth--
    if (depth > depthMax) {
      return { ...placeAt(source, index), message: `Expected at most ${depthMax} blocks in blocks` }
    }
  }
  return undefined
}

const isPositioned = (token: object): token is Pick<TagToken, "getPosition"> => "getPosition" in token

const faultOfError = (error: unknown): TemplateFault => {
  if (!LiquidError.is(error)) {
    return { line: 1, column: 1, message: error instanceof Error ? error.message : String(error) }
  }
  const [line, column] = isPositioned(error.token) ? error.token.getPosition() : [1, 1]
  const message = (error.originalError?.message ?? error.message).replace(/, (?:line|file).*$/s, "")
  return { line: line ?? 1, column: column ?? 1, message }
}

/** A parsed part of a template. */
export interface Parsed {
  readonly format: Format
  readonly templates: ReadonlyArray<Template>
}

/** Parses a part. `isGenerated`: HTML that was compiled from a checked source. */
export const parse = (
  format: Format,
  source: string,
  options?: MarkupCheck.Options
): Result.Result<Parsed, TemplateFault> => {
  const deep = tooDeep(source)
  if (deep !== undefined) return Result.fail(deep)
  const fault = format === "html" ? MarkupCheck.faultOf(source, options) : undefined
  if (fault !== undefined) return Result.fail({ ...placeAt(source, fault.offset), message: fault.message })
  return Result.try({
    try: () => ({ format, templates: engines[format].parse(source) }),
    catch: faultOfError
  })
}

export const render = (
  parsed: Parsed,
  scope: Readonly<Record<string, unknown>>,
  options: { readonly place: Place; readonly strict: boolean }
): Result.Result<string, TemplateFault> =>
  Result.try({
    try: () => {
      const engine = engines[parsed.format]
      const context = new Context(
        scope,
        engine.options,
        { sync: true, strictVariables: options.strict },
        { liquid: engine }
      )
      setPlace(context, options.place)
      const emitter = new BoundedEmitter()
      toValueSync(engine.renderer.renderTemplates(Array.from(parsed.templates), context, emitter))
      const link = parsed.format === "html" ? MarkupCheck.unsafeLink(emitter.buffer) : undefined
      if (link !== undefined)
        throw new TypeError(`Expected links by https or mailto, not ${link.slice(0, 100)}`)
      return emitter.buffer
    },
    catch: faultOfError
  })
