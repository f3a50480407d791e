/**
 * The hashes under which an event is grouped. A hit on any of them joins the issue.
 *
 * Precedence: rules of the project, fingerprint of the SDK, exceptions with frames, a stack without an exception, type and message of an
 * exception, message. Frames have no line numbers, and neither generated names nor hashes of builds.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { fingerprintOf, type GroupingRule } from "./GroupingRule.ts"
import { parameterise } from "./internal/messageParts.ts"

/**
 * A frame of a stack, as an SDK sends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly function: string | undefined
  readonly filename: string | undefined
  readonly absPath: string | undefined
  readonly module: string | undefined
  readonly contextLine: string | undefined
  readonly inApp: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Exception {
  readonly type: string
  readonly value: string
  readonly frames: ReadonlyArray<Frame>
  /** True when the SDK made it for a stack: its type says nothing, and its value is a message. */
  readonly isSynthetic: boolean
}

/**
 * The parts of an event that grouping reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Groupable {
  readonly exceptions: ReadonlyArray<Exception>
  /** Of a stack without an exception. */
  readonly frames: ReadonlyArray<Frame>
  readonly message: string
  /** The message before its parameters were put in. */
  readonly template: string | undefined
  readonly fingerprint: ReadonlyArray<string>
}

/**
 * A version of the rules for events without a fingerprint. Its name is part of each hash.
 *
 * @category models
 * @since 0.1.0
 */
export interface GroupingVersion {
  readonly name: string
  /** Returns what each hash of an event is made of, the most specific first. */
  readonly partsOf: (event: Groupable) => ReadonlyArray<ReadonlyArray<string>>
}

/** Frames from the top of the stack that make up a hash. Deeper ones are those of a framework. */
const framesMax = 30

const hashOf = ({ name }: GroupingVersion, parts: ReadonlyArray<string>): string =>
  createHash("sha256")
    .update(JSON.stringify([name, ...parts]))
    .digest("hex")
    .slice(0, 32)

const anonymous =
  /^(?:\??|<?anonymous>?|\(anonymous(?: function)?\)|global code|module code|eval code|eval|<unknown>|null)$/i

/** A longer name or file is none that a person wrote. */
const nameLengthMax = 1_000

/** Without a bracket at the end, such as `[as d]` or `(anonymous)`. An expression would try each of many that open. */
const withoutBracket = (text: string, opening: string, closing: string): string => {
  if (!text.endsWith(closing)) return text
  // The first that opens after the last one that closed.
  const closed = closing === "]" ? text.lastIndexOf(closing, text.length - 2) : -1
  const at = text.indexOf(opening, closed + 1)
  return at < 0 ? text : text.slice(0, at).trimEnd()
}

const withoutSlashes = (text: string): string => {
  let end = text.length
  while (text[end - 1] === "/") end--
  return text.slice(0, end)
}

/**
 * `Object.async new a.b.c [as d]` of Chrome, `a/b</c` and `async*c` of Firefox, `c@` of Safari: the last name. `a/<` of Firefox
 * is a function without a name in `a`.
 */
const functionOf = (name: string): string => {
  let text = withoutBracket(name.slice(0, nameLengthMax).trim(), "[as ", "]")
  text = withoutBracket(text, "(", ")")
  text = text.replace(/^(?:async\*|async |new |get |set |static |bound )+/, "")
  if (text.endsWith("/<")) return ""
  text = withoutSlashes(text.replaceAll("/<", "/").replace(/<$/, ""))
  const last = text.split(/[./#]|::/).findLast((part) => part !== "" && part !== "prototype") ?? ""
  // Names that a compiler makes: lambda$12, _callee3$, $anonfun$1, func_0x1234, __webpack_require__.
  const bare = last
    .replace(/^(?:lambda|func|fn|closure|block|callee|_callee)[$_]*(?:0x[0-9a-f]+|\d+)\$?$/i, "")
    .replaceAll(/\$\d+/g, "")
    .replace(/(?<=[A-Za-z])_?\d{3,}$/, "")
  return anonymous.test(bare) ? "" : bare
}

/** The base name without a build's hash, query and chunk number: `app.3f2a1b9c.js?v=2` is `app.js`. */
const fileOf = (path: string): string => {
  const base =
    path
      .replace(/[?#][\s\S]*$/, "")
      .slice(-nameLengthMax)
      .replaceAll("\\", "/")
      .split("/")
      .at(-1) ?? ""
  return base
    .replaceAll(/[.-](?=[0-9a-zA-Z_]{6,}\b)(?=[a-zA-Z_]*\d)[0-9a-zA-Z_]{6,}(?=\.)/g, "")
    .replace(/\bchunk[.-]?\d+(?=\.)/, "chunk")
    .toLowerCase()
}

/** Chrome writes `Array.map (<anonymous>)`, Safari `map@[native code]`, and Firefox nothing. */
const isNative = (frame: Frame): boolean =>
  frame.filename === "native" ||
  frame.filename === "<anonymous>" ||
  frame.filename === "[native code]" ||
  frame.function === "[native code]"

/** `app.js line 42 > Function` is that of Firefox. */
const isEval = (frame: Frame): boolean =>
  frame.function === "eval" ||
  /^(?:eval at |eval code|<eval>|debugger eval|javascript:)| line \d+ > (?:eval|Function)/.test(
    frame.filename ?? ""
  )

const moduleOf = (frame: Frame): string => {
  if (isNative(frame)) return "native"
  if (isEval(frame)) return "eval"
  const path = frame.filename ?? frame.absPath
  // SDKs for Node make a module of the path of the installation: the base name is the same in both.
  if (path !== undefined && path !== "") return fileOf(path)
  return (frame.module ?? "").slice(0, nameLengthMax).replace(/:[\s\S]*$/, "")
}

const partOf = (frame: Frame): string => {
  const name = functionOf(frame.function ?? "")
  // Without a name the line of code is what identifies the frame.
  const context = name === "" ? (frame.contextLine ?? "").trim().slice(0, 120) : ""
  return `${moduleOf(frame)}|${name}|${context}`
}

const isNameless = (frame: Frame): boolean => functionOf(frame.function ?? "") === ""

/** The frames of a stack without those that some engines leave out, the crash first. */
const comparable = (frames: ReadonlyArray<Frame>): ReadonlyArray<Frame> => {
  const kept = frames
    .toReversed()
    .filter((frame) => !isNative(frame) && !(isEval(frame) && isNameless(frame)))
  // The script itself, which called the first function: some engines have it, others not.
  const last = kept.findLastIndex((frame) => !isNameless(frame))
  return kept.slice(0, Math.max(1, last + 1))
}

/** The parts of a stack, the crash first, recursion once. */
const partsOf = (frames: ReadonlyArray<Frame>): ReadonlyArray<string> => {
  const parts: Array<string> = []
  for (const frame of comparable(frames)) {
    const part = partOf(frame)
    if (part === "||" || parts.at(-1) === part) continue
    parts.push(part)
    if (parts.length === framesMax) break
  }
  return parts
}

const inAppOf = (frames: ReadonlyArray<Frame>): ReadonlyArray<Frame> => {
  const inApp = frames.filter((frame) => frame.inApp)
  return inApp.length === 0 ? frames : inApp
}

interface Link {
  readonly type: string
  readonly message: string
  readonly own: ReadonlyArray<string>
  readonly all: ReadonlyArray<string>
}

/** A stack that is full is a RangeError in two engines, and an InternalError in Firefox. */
const typeOf = ({ type, value }: Exception): string =>
  type === "InternalError" && value.startsWith("too much recursion") ? "RangeError" : type

const linkOf = (exception: Exception): Link => ({
  // One helper that logs different messages makes the same stack for all of them.
  type: exception.isSynthetic ? parameterise(exception.value) : typeOf(exception),
  message: parameterise(exception.value),
  own: partsOf(inAppOf(exception.frames)),
  all: partsOf(exception.frames)
})

/** An error that is wrapped in itself, once or ten times, is one. */
const chainOf = (exceptions: ReadonlyArray<Exception>): ReadonlyArray<Link> => {
  const links: Array<Link> = []
  for (const link of exceptions.map(linkOf)) {
    const isRepeated = links.some(
      (other) => other.type === link.type && JSON.stringify(other.own) === JSON.stringify(link.own)
    )
    if (!isRepeated) links.push(link)
  }
  return links
}

const defaultParts = (event: Groupable): ReadonlyArray<ReadonlyArray<string>> => {
  const chain = chainOf(event.exceptions)
  if (chain.some(({ all }) => all.length > 0)) {
    const of = (parts: (link: Link) => ReadonlyArray<string>) => [
      "exception",
      ...chain.flatMap((link) => [link.type, ...parts(link)])
    ]
    return [of(({ own }) => own), of(({ all }) => all)]
  }
  if (chain.length === 0 && event.frames.length > 0) {
    return [
      ["stack", ...partsOf(inAppOf(event.frames))],
      ["stack", ...partsOf(event.frames)]
    ]
  }
  if (chain.length > 0) return [["type", ...chain.flatMap(({ message, type }) => [type, message])]]
  return [["message", parameterise(event.template ?? event.message)]]
}

const currentVersion: GroupingVersion = { name: "1", partsOf: defaultParts }

/** Versions of releases before, whose issues may still get events. There is none yet. */
const formerVersions: ReadonlyArray<GroupingVersion> = []

const defaultMark = /^\{\{\s*default\s*\}\}$/

const variable = /^\{\{\s*(type|message|function)\s*\}\}$/

/** Returns a part of a rule's fingerprint with the value that it names. */
const valueOf = (event: Groupable, part: string): string => {
  const exception = event.exceptions.at(-1)
  switch (variable.exec(part)?.[1]) {
    case "type":
      return exception?.type ?? ""
    case "message":
      return parameterise(exception?.value ?? event.template ?? event.message)
    case "function": {
      const frames = exception?.frames ?? event.frames
      return functionOf((frames.findLast(({ inApp }) => inApp) ?? frames.at(-1))?.function ?? "")
    }
    default:
      return part
  }
}

/**
 * Returns the hashes of an event, the most specific first. A rule of the project that matches comes before the fingerprint of
 * the SDK.
 *
 * @category grouping
 * @since 0.1.0
 */
export const hashesOf = (
  event: Groupable,
  rules: ReadonlyArray<GroupingRule> = [],
  version: GroupingVersion = currentVersion
): ReadonlyArray<string> => {
  const hashes = Array.from(new Set(version.partsOf(event).map((parts) => hashOf(version, parts))))
  const ruled = fingerprintOf(rules, event)?.map((part) => valueOf(event, part))
  const fingerprint = ruled ?? event.fingerprint
  if (fingerprint.every((part) => defaultMark.test(part))) return hashes
  if (!fingerprint.some((part) => defaultMark.test(part)))
    return [hashOf(version, ["custom", ...fingerprint])]
  return hashes.map((hash) =>
    hashOf(version, ["custom", ...fingerprint.map((part) => (defaultMark.test(part) ? hash : part))])
  )
}

/**
 * Returns the hashes of an event by former versions of the rules. They lead to an issue when none of {@link hashesOf} does, and
 * are never stored: two faults that a newer version keeps apart do not join under a hash of the version before.
 *
 * @category grouping
 * @since 0.1.0
 */
export const formerHashesOf = (
  event: Groupable,
  rules: ReadonlyArray<GroupingRule> = [],
  versions: ReadonlyArray<GroupingVersion> = formerVersions
): ReadonlyArray<string> => versions.flatMap((version) => hashesOf(event, rules, version))

/**
 * Replaces the parts of a message that differ between two events of one fault: addresses, ids, times, numbers, quoted texts.
 *
 * @category grouping
 * @since 0.1.0
 */
export const messageOf = parameterise
