/**
 * Stacks of 16 faults, recorded in eight engines: Node 18, 22, 24 and 26, Bun 1, Chromium 153, and the shells of JavaScriptCore
 * 2.50 and SpiderMonkey 102. Of the sources (`plain`), and of two releases that esbuild minified (`min1`, `min2`): the second
 * has more code in front, so that names, lines and columns differ. The source is in the maps. In the stacks of the two shells,
 * which load files, the folder was replaced by the address of the page.
 *
 * The stacks are read by the parsers of the SDKs.
 */
import { defaultStackParser as parseInBrowser } from "@sentry/browser"
import { defaultStackParser as parseInNode } from "@sentry/node"
import { Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const folder = Path.join(import.meta.dirname, "stacks")

const Link = Schema.Struct({ type: Schema.String, value: Schema.String, stack: Schema.String })
/** The error and its causes, the outermost first. */
const Links = Schema.Array(Link)
const Recorded = Schema.Record(
  Schema.String,
  Schema.Record(Schema.String, Schema.Record(Schema.String, Links))
)

export type Links = typeof Links.Type

/** By build, engine and fault. */
export const recorded = Schema.decodeUnknownSync(Schema.fromJsonString(Recorded))(
  Fs.readFileSync(Path.join(folder, "recorded.json"), "utf8")
)

export const textOf = (name: string): string => Fs.readFileSync(Path.join(folder, name), "utf8")

export const linksOf = (build: string, engine: string, fault: string): Links =>
  recorded[build]?.[engine]?.[fault] ?? []

/** The exceptions as the SDK of the engine sends them, the outermost last. */
export const exceptionsOf = (engine: string, links: Links) => {
  const parse = /^(?:node|bun)/.test(engine) ? parseInNode : parseInBrowser
  return links.toReversed().map(({ stack, type, value }) => ({
    type,
    value,
    stacktrace: {
      frames: parse(stack).map(({ colno, filename, function: name, in_app: isOwn, lineno, module }) => ({
        ...(name === undefined ? {} : { function: name }),
        ...(filename === undefined ? {} : { filename, abs_path: filename }),
        ...(module === undefined ? {} : { module }),
        ...(lineno === undefined ? {} : { lineno }),
        ...(colno === undefined ? {} : { colno }),
        in_app: isOwn === true
      }))
    }
  }))
}
