/**
 * Reports that browsers send by themselves as events: of content security policies, in both of their forms, of certificates,
 * and those of the Reporting API.
 *
 * Sources: https://www.w3.org/TR/CSP3/#reporting, https://www.w3.org/TR/reporting-1/, RFC 9163 (Expect-CT), RFC 7469
 * (public key pins), and Expect-Staple as Chromium sends it.
 */
import type * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { isRecord, jsonOf } from "./envelope.ts"
import * as JsonShape from "./jsonShape.ts"

/** A browser sends the reports of a minute together. */
const reportsMax = 100
const bounds = { values: 20_000, depth: 16 }
const textLengthMax = 2_048
const nameLengthMax = 200
/** A report waits in the browser while it is offline. An older one is as good as new. */
const ageMillisMax = 24 * 60 * 60 * 1000

type Fields = Readonly<Record<string, unknown>>
type Json = Readonly<Record<string, Schema.Json>>

/** The circumstances that a request has and its reports may lack. */
export interface Context {
  readonly receivedAtMillis: number
  readonly userAgent: string
  readonly release: string | null
  readonly environment: string | null
}

export interface Read {
  readonly events: ReadonlyArray<Json>
  /** Reports that are none, or come after the first hundred. */
  readonly dropped: number
}

const textOf = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? String(value).slice(0, textLengthMax) : ""

/** The first of the names that a report has: `blocked-uri` in the older form is `blockedURL` in the newer one. */
const fieldOf = (report: Fields, ...names: ReadonlyArray<string>): string =>
  names.map((name) => textOf(report[name])).find((text) => text !== "") ?? ""

/** The scalar fields of a report. Chains of certificates are left out. */
const detailsOf = (report: Fields): Json =>
  Object.fromEntries(
    Object.entries(report).flatMap(([name, value]) =>
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? [[name.slice(0, nameLengthMax), typeof value === "string" ? value.slice(0, textLengthMax) : value]]
        : []
    )
  )

/** `inline`, `eval`, `data`, or the host of an address. */
const originOf = (blocked: string): string => {
  const url = URL.parse(blocked)
  if (url !== null && url.host !== "") return url.host
  const word = (url === null ? blocked : url.protocol).replace(/:$/, "").slice(0, 100)
  return word === "" || word === "self" ? "inline" : word
}

interface Described {
  readonly kind: string
  readonly message: string
  readonly fingerprint: ReadonlyArray<string>
  readonly culprit: string
  readonly level: "error" | "warning"
  readonly url: string
  readonly tags: Json
}

const policyOf = (report: Fields): Described | undefined => {
  const violated = fieldOf(report, "effectiveDirective", "effective-directive", "violated-directive")
  const [directive = ""] = violated.split(/\s+/, 1)
  if (directive === "") return undefined
  const blocked = originOf(fieldOf(report, "blockedURL", "blocked-uri"))
  const isAddress = blocked.includes(".") || blocked.includes(":")
  const disposition = fieldOf(report, "disposition") === "report" ? "report" : "enforce"
  return {
    kind: "csp",
    message: isAddress ? `Blocked '${directive}' from '${blocked}'` : `Blocked ${blocked} '${directive}'`,
    fingerprint: ["csp", directive, blocked],
    culprit: directive,
    level: disposition === "report" ? "warning" : "error",
    url: fieldOf(report, "documentURL", "document-uri"),
    tags: { directive, blocked, disposition }
  }
}

const hostOf = (kind: string, sentence: string, report: Fields): Described | undefined => {
  const hostname = fieldOf(report, "hostname")
  return hostname === ""
    ? undefined
    : {
        kind,
        message: `${sentence} for '${hostname}'`,
        fingerprint: [kind, hostname],
        culprit: hostname,
        level: "error",
        url: "",
        tags: { hostname }
      }
}

/** A report of the Reporting API of another type, such as `deprecation` or `crash`. */
const otherOf = (type: string, url: string, report: Fields): Described => {
  const id = fieldOf(report, "id", "reason", "policyId", "type")
  const message = fieldOf(report, "message")
  return {
    kind: type,
    message: [type, message === "" ? id : message].filter((part) => part !== "").join(": "),
    fingerprint: id === "" ? ["{{ default }}"] : [type, id],
    culprit: type,
    level: type === "crash" ? "error" : "warning",
    url,
    tags: { report: type }
  }
}

const eventOf = (
  described: Described | undefined,
  report: Fields,
  context: Context,
  userAgent: string,
  ageMillis: number
): Json | undefined => {
  if (described === undefined) return undefined
  const { culprit, fingerprint, kind, level, message, tags, url } = described
  return {
    event_id: randomUUID(),
    platform: "javascript",
    logger: kind,
    level,
    logentry: { formatted: message },
    fingerprint,
    transaction: culprit,
    tags,
    timestamp: (context.receivedAtMillis - ageMillis) / 1000,
    release: context.release,
    environment: context.environment,
    request: {
      ...(url === "" ? {} : { url }),
      headers: [["User-Agent", userAgent.slice(0, textLengthMax)]]
    },
    extra: { report: detailsOf(report) }
  }
}

const ageOf = (value: unknown): number =>
  typeof value === "number" && value >= 0 && value <= ageMillisMax ? value : 0

/** An entry of the Reporting API. */
const queuedOf = (entry: unknown, context: Context): Json | undefined => {
  if (!isRecord(entry)) return undefined
  const { age, body, type, url, user_agent: agent } = entry
  if (typeof type !== "string" || type === "" || !isRecord(body)) return undefined
  const described =
    type === "csp-violation" ? policyOf(body) : otherOf(type.slice(0, nameLengthMax), textOf(url), body)
  return eventOf(described, body, context, textOf(agent) || context.userAgent, ageOf(age))
}

/** A report in a form that names itself, or a report of public key pins, which does not. */
const singleOf = (value: Fields, context: Context): Json | undefined => {
  const make = (described: Described | undefined, report: Fields) =>
    eventOf(described, report, context, context.userAgent, 0)
  const policy = value["csp-report"]
  if (isRecord(policy)) return make(policyOf(policy), policy)
  const transparency = value["expect-ct-report"]
  if (isRecord(transparency)) return make(hostOf("expect-ct", "Expect-CT failed", transparency), transparency)
  const staple = value["expect-staple-report"]
  if (isRecord(staple)) return make(hostOf("expect-staple", "Expect-Staple failed", staple), staple)
  return "known-pins" in value ? make(hostOf("hpkp", "Public key pinning failed", value), value) : undefined
}

/** Reads the body of a request. Undefined when it has no report. */
export const read = (body: Uint8Array, context: Context): Read | undefined => {
  if (JsonShape.valuesWithin(body, bounds) === undefined) return undefined
  const value = jsonOf(body)
  if (isRecord(value) && "type" in value && "body" in value) {
    const event = queuedOf(value, context)
    return event === undefined ? undefined : { events: [event], dropped: 0 }
  }
  if (isRecord(value)) {
    const event = singleOf(value, context)
    return event === undefined ? undefined : { events: [event], dropped: 0 }
  }
  if (!Array.isArray(value) || value.length === 0) return undefined
  const events = value.slice(0, reportsMax).flatMap((entry: unknown): ReadonlyArray<Json> => {
    const event = queuedOf(entry, context)
    return event === undefined ? [] : [event]
  })
  return { events, dropped: value.length - events.length }
}
