/**
 * Reads the body of a request into what is stored: the work of the thread in `readerThread.ts`.
 */
import * as Effect from "effect/Effect"
import * as Envelope from "./envelope.ts"
import * as SecurityReport from "./securityReport.ts"
import * as SentryItems from "./sentryItems.ts"

/** Copied to the thread, so it has plain values alone. */
export interface Received {
  readonly route: "envelope" | "store" | "security"
  /** Decompressed. */
  readonly body: Uint8Array
  readonly context: SentryItems.Context
  /** The circumstances of a browser's reports. */
  readonly browser: Omit<SecurityReport.Context, "receivedAtMillis">
}

/** The parts of the body, or the reason why the whole of it is refused. */
export type Answer = SentryItems.Read | Envelope.Broken | "security"

const encoder = new TextEncoder()

const readReports = Effect.fnUntraced(function* ({
  body,
  browser,
  context
}: Received): Effect.fn.Return<Answer> {
  const reports = SecurityReport.read(body, { ...browser, receivedAtMillis: context.receivedAtMillis })
  if (reports === undefined) return "security"
  const items = reports.events.map((event) => ({
    type: "event",
    header: {},
    payload: encoder.encode(JSON.stringify(event))
  }))
  const read = yield* SentryItems.read({ header: {}, items }, context)
  if (reports.dropped === 0) return read
  const unreadable = {
    category: "security",
    outcome: "dropped",
    reason: "unreadable",
    quantity: reports.dropped
  } as const
  return { ...read, submission: { ...read.submission, counts: [...read.submission.counts, unreadable] } }
})

/** Reads a body. Other work of the thread runs between its larger items. */
export const read = (received: Received): Effect.Effect<Answer> => {
  const { body, context, route } = received
  if (route === "security") return readReports(received)
  const envelope =
    route === "envelope"
      ? Envelope.parse(body)
      : { header: {}, items: [{ type: "event", header: {}, payload: body }] }
  return typeof envelope === "string" ? Effect.succeed(envelope) : SentryItems.read(envelope, context)
}

export const nameOfDefect = (defect: unknown): string =>
  defect instanceof Error ? defect.name : typeof defect
