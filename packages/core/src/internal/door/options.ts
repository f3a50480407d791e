/** The options of a connection and of calls, as a program gives them. */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasProperty, isObject } from "effect/Predicate"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Actor from "../../Actor.ts"
import * as BoundedInt from "../../BoundedInt.ts"
import { type InvalidArgument, invalidArgument } from "../../CallError.ts"
import type * as Database from "../../Database.ts"
import type * as Domain from "../../Domain.ts"
import type { InputError } from "../../InputErrors.ts"
import type * as Service from "../../Service.ts"
import * as Text from "../../Text.ts"
import { decoderOf } from "./arguments.ts"

type Offered = Readonly<Record<string, Service.Any>>

/** A domain, for the list of a connection. */
type AnyDomain = Domain.Domain<never, Config.ConfigError, Domain.Infrastructure, Offered>

/** A domain, or the module that exports it. */
export type Entry = AnyDomain | { readonly domain: AnyDomain }

export const domainOf = (entry: Entry): AnyDomain => ("domain" in entry ? entry.domain : entry)

/** One line of the log. */
export interface LogLine {
  readonly level: string
  readonly message: string
  /** RFC 3339, UTC. */
  readonly at: string
}

export interface Options {
  /**
   * The address of the database: postgres://user:password@host:port/database?sslmode=...
   *
   * @default DATABASE_URL of the environment
   */
  readonly connectionString?: string
  /**
   * The address without a pooler, for LISTEN and migrations.
   *
   * @default the connection string
   */
  readonly directConnectionString?: string
  /**
   * The schema of the tables.
   *
   * @default "public"
   */
  readonly schema?: string
  /**
   * The name of the program, in the list of sessions of the server and as the actor of calls.
   *
   * @default "hypermarket"
   */
  readonly applicationName?: string
  readonly pool?: {
    /**
     * Maximum connections of the pool.
     *
     * @default 10
     */
    readonly max?: number
  }
  /**
   * False behind a transaction pooler, which has no prepared statements.
   *
   * @default true
   */
  readonly prepare?: boolean
  /**
   * Milliseconds after which Postgres ends a statement.
   *
   * @default 30,000
   */
  readonly statementTimeout?: number
  /**
   * Receives the lines of the log.
   *
   * @default warnings and errors go to standard error
   */
  readonly logger?: (line: LogLine) => void
}

const poolMaxMax = 1_000
const millisMax = 24 * 60 * 60 * 1_000
const poolMaxDefault = 10
const statementTimeoutDefault = 30_000
const lockTimeout = Duration.seconds(5)
const idleTransactionTimeout = Duration.seconds(30)

const Millis = BoundedInt.make({ minimum: 1, maximum: millisMax })
const SchemaName = Schema.String.check(
  Schema.isPattern(/^[a-z_][a-z0-9_]{0,62}$/, { message: "Expected a schema name of a-z, 0-9 and _" })
)

const Values = Schema.Struct({
  connectionString: Schema.optionalKey(Text.make({ max: 2_000 })),
  directConnectionString: Schema.optionalKey(Text.make({ max: 2_000 })),
  schema: Schema.optionalKey(SchemaName),
  applicationName: Schema.optionalKey(Text.make({ max: 63 })),
  pool: Schema.optionalKey(
    Schema.Struct({ max: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: poolMaxMax })) })
  ),
  prepare: Schema.optionalKey(Schema.Boolean),
  statementTimeout: Schema.optionalKey(Millis)
})
const decodeValues = decoderOf(Values)

const expectedUrl = "Expected postgres://user:password@host:port/database"

const isAddress = (text: string): boolean => URL.canParse(text) && /^postgres(?:ql)?:\/\//.test(text)

const environmentUrl = (): string | undefined =>
  Option.getOrUndefined(Effect.runSync(Effect.option(Config.String("DATABASE_URL"))))

/** The options of a connection, checked. */
export interface Checked {
  readonly database: Database.Options
  readonly applicationName: string
  readonly host: string
  readonly name: string
}

const isEntry = (entry: unknown): boolean => {
  const domain = hasProperty(entry, "domain") ? entry.domain : entry
  return isObject(domain) && hasProperty(domain, "services") && hasProperty(domain, "start")
}

/** The names of options that hold functions. */
const functionNames = new Set(["domains", "logger"])

/** Checks the options of `connect`. */
export const check = (
  options: Options & { readonly domains: ReadonlyArray<Entry> }
): Result.Result<Checked, InvalidArgument> => {
  const errors: Array<InputError> = []
  const input: unknown = options
  const fields = isObject(input) ? Object.entries(input) : []
  const decoded = decodeValues(Object.fromEntries(fields.filter(([name]) => !functionNames.has(name))), [])
  if (Result.isFailure(decoded)) errors.push(...decoded.failure)
  const domains: unknown = hasProperty(input, "domains") ? input.domains : undefined
  if (!Array.isArray(domains)) errors.push({ path: ["domains"], message: "Expected a list of domains" })
  else {
    for (const [index, entry] of domains.entries()) {
      if (!isEntry(entry)) {
        errors.push({
          path: ["domains", index],
          message: "Expected a domain, such as the module EventsDomain"
        })
      }
    }
  }
  const logger: unknown = hasProperty(input, "logger") ? input.logger : undefined
  if (logger !== undefined && typeof logger !== "function") {
    errors.push({ path: ["logger"], message: "Expected a function" })
  }
  if (Result.isFailure(decoded)) return Result.fail(invalidArgument("connect", ...errors))
  const values = decoded.success
  const url = values.connectionString ?? environmentUrl()
  const direct = values.directConnectionString ?? url
  for (const [name, text] of [
    ["connectionString", url],
    ["directConnectionString", direct]
  ] as const) {
    // The address has a password: it is in no message.
    if (text === undefined || !isAddress(text)) errors.push({ path: [name], message: expectedUrl })
  }
  if (url === undefined || direct === undefined || errors.length > 0) {
    return Result.fail(invalidArgument("connect", ...errors))
  }
  const address = new URL(url)
  return Result.succeed({
    applicationName: values.applicationName ?? Actor.applicationNameDefault,
    host: address.host,
    name: decodeURIComponent(address.pathname.slice(1)),
    database: {
      url: Redacted.make(url),
      directUrl: Redacted.make(direct),
      ownerUrl: Redacted.make(direct),
      prepare: values.prepare ?? true,
      schema: values.schema ?? "public",
      poolMax: values.pool?.max ?? poolMaxDefault,
      multiplex: false,
      statementTimeout: Duration.millis(values.statementTimeout ?? statementTimeoutDefault),
      lockTimeout,
      idleTransactionTimeout
    }
  })
}

/** Options of calls. */
export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeout?: number
  readonly actor?: Actor.Actor
}

const CallValues = Schema.Struct({
  timeout: Schema.optionalKey(Millis),
  actor: Schema.optionalKey(Actor.Schema)
})
const decodeCallValues = decoderOf(CallValues)

const isSignal = (value: unknown): value is AbortSignal =>
  hasProperty(value, "aborted") && hasProperty(value, "addEventListener")

/** Checks the options of calls. */
export const checkCall = (
  method: string,
  options: CallOptions
): Result.Result<CallOptions, InvalidArgument> => {
  const { signal, ...values } = options
  const decoded = decodeCallValues(values, [])
  const errors: ReadonlyArray<InputError> =
    signal === undefined || isSignal(signal) ? [] : [{ path: ["signal"], message: "Expected an AbortSignal" }]
  if (Result.isFailure(decoded)) {
    return Result.fail(invalidArgument(method, ...errors, ...decoded.failure))
  }
  if (errors.length > 0) return Result.fail(invalidArgument(method, ...errors))
  return Result.succeed({ ...decoded.success, ...(signal === undefined ? {} : { signal }) })
}
