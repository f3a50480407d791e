/**
 * `@hypermarket/client` in effects, with the address and key of an installation. It waits and tries again when it is told to.
 */
import { type CallOptions, type Client, createClient, HypermarketError } from "@hypermarket/client"
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type CommandFailed, failed } from "./CommandFailed.ts"

export interface Address {
  readonly apiUrl: string
  readonly apiKey: string
}

/** The API sheds load with 503 and Retry-After; a client that gives up before this has met an outage. */
const attemptsMax = 20
/** Of one call with all its attempts: an outage as long as this ends the command. */
const timeoutMillis = 120_000

const apiUrl = Setting.required({
  name: "HM_API_URL",
  doc: "Where the API is, for the commands that are its clients.",
  read: (name) => Config.String(name)
})

const apiKey = Setting.required({
  name: "HM_API_KEY",
  doc: "A server key for it.",
  read: (name) => Config.Redacted(name)
})

export const settings: ReadonlyArray<Setting.Any> = [apiUrl, apiKey]

/** Where the API is, from the environment. */
export const fromEnvironment: Effect.Effect<Address, CommandFailed> = Effect.gen(function* () {
  const url = yield* apiUrl.config
  const key = yield* apiKey.config
  return { apiUrl: url.replace(/\/+$/, ""), apiKey: Redacted.value(key) }
}).pipe(Effect.mapError(() => failed("Set HM_API_URL and HM_API_KEY: this command is a client of the API")))

/** A call that ended without a success. */
export class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { cause: Schema.Defect() }) {
  /** The error of the client, when the API responded. */
  get response(): HypermarketError | undefined {
    return this.cause instanceof HypermarketError ? this.cause : undefined
  }
}

/**
 * One call of an installation's API. Interrupting it ends the request. Commands send what may be sent twice: facts, documents
 * and events have names of their own, so each call is repeated after any transient failure.
 */
export type Call = <A>(
  run: (client: Client, options: CallOptions) => PromiseLike<A>
) => Effect.Effect<A, CallFailed>

/** Opens nothing: each call is a request. */
export const make = ({ apiKey, apiUrl }: Address): Call => {
  const client = createClient({ url: apiUrl, key: apiKey, attempts: attemptsMax })
  return (run) =>
    Effect.tryPromise({
      try: (signal) => run(client, { signal, timeout: timeoutMillis, repeatable: true }),
      catch: (cause) => new CallFailed({ cause })
    })
}

/** `fetch` says "fetch failed", and its cause what the operating system or the server said. */
const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? messageOf(error.cause) : error.message
}

/** Names what was asked for beside what the API responded. */
export const orCommandFailed =
  (what: string) =>
  <A, R>(self: Effect.Effect<A, CallFailed, R>): Effect.Effect<A, CommandFailed, R> =>
    Effect.mapError(self, ({ cause }) => failed(`${what}: ${messageOf(cause)}`))
