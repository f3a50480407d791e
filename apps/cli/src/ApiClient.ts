/**
 * A client of one of the API's groups, made from the same schemas as the server, with the address and key of an
 * installation. It waits and tries again when it is told to.
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { type CommandFailed, failed } from "./CommandFailed.ts"

export interface Address {
  readonly apiUrl: string
  readonly apiKey: string
}

/** The API sheds load with 503 and Retry-After; a client that gives up before this has met an outage. */
const retriesMax = 20
const retrySchedule = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.upTo({ times: retriesMax })
)

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

/** Sends the key, and tries again what the API or the network asks for again. */
const authorised =
  ({ apiKey }: Address) =>
  (client: HttpClient.HttpClient) =>
    client.pipe(
      HttpClient.mapRequest(HttpClientRequest.bearerToken(apiKey)),
      HttpClient.retryTransient({ retryOn: "errors-and-responses", schedule: retrySchedule })
    )

/** For requests that no group describes: paths are of the API. */
export const http = (address: Address) =>
  Effect.map(HttpClient.HttpClient, (client) =>
    client.pipe(HttpClient.mapRequest(HttpClientRequest.prependUrl(address.apiUrl)), authorised(address))
  )

export const make = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  address: Address
) => HttpApiClient.make(api, { baseUrl: address.apiUrl, transformClient: authorised(address) })

/** The deepest thing that a failed call has to say. */
const messageOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  if ("errors" in error && Array.isArray(error.errors) && error.errors.length > 0) {
    return JSON.stringify(error.errors[0])
  }
  if ("title" in error && typeof error.title === "string") return error.title
  return "message" in error && typeof error.message === "string" ? error.message : String(error)
}

/** Says what was asked for and what the API answered. */
export const orCommandFailed =
  (what: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CommandFailed, R> =>
    Effect.mapError(self, (error) => failed(`${what}: ${messageOf(error)}`))
