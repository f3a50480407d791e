/**
 * A flag for some regions and a percentage, asked for by the clients that shops already use: OpenFeature over OFREP, GrowthBook's
 * SDK, which evaluates the exported flag by itself, and Unleash's frontend client.
 */
import type { EvaluationContext } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type CommandFailed, failed } from "../CommandFailed.ts"
import type { Installation } from "./Part.ts"

export const flagKey = "next-day-delivery"
export const percentage = 40
const regions = ["US-CA", "US-NY"]
/** Users are in these, one after the other. */
const states = ["US-CA", "US-TX", "US-NY", "US-WA", "US-FL"]
const usersCount = 1_000
const requestsAtOnce = 8
/** Unleash's frontend client holds one user, so several take turns. */
const unleashClients = 4
const domain = "hypermarket-quickstart"
const initMillisMax = 10_000

const flag = {
  flagKey,
  kind: "boolean",
  owner: "checkout team",
  // GrowthBook's SDK finds these buckets by itself; a flag with other ones is left out of what it gets.
  hashing: "gb_v2",
  environments: {
    live: {
      isEnabled: true,
      rules: [
        {
          ruleId: "two-states",
          condition: { attribute: "region", operator: "in", values: regions },
          percentage,
          serve: { variant: "on" }
        }
      ],
      otherwise: { variant: "off" }
    }
  }
}

/** The users are invented: `user-0` and so on. */
const users = Array.from({ length: usersCount }, (_, index) => ({
  id: `user-${index}`,
  region: states[index % states.length] ?? ""
}))

type User = (typeof users)[number]

/** A busy machine sheds load, and the clients do not ask again. */
const busy = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

type Opened<A> = Effect.Effect<A, CommandFailed, Scope.Scope>

/** Runs a call of a client; its failure names the client. */
const attempt = <A>(client: string, run: () => PromiseLike<A>): Effect.Effect<A, CommandFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => failed(`${client} failed: ${String(cause)}`) })

const openFeature = Effect.fnUntraced(function* ({ apiKey, apiUrl }: Installation) {
  const { OFREPProvider } = yield* attempt("OpenFeature", () => import("@openfeature/ofrep-provider"))
  const { OpenFeature } = yield* attempt("OpenFeature", () => import("@openfeature/server-sdk"))
  const provider = new OFREPProvider({
    baseUrl: apiUrl,
    headers: [["Authorization", `Bearer ${apiKey}`]]
  })
  yield* Effect.acquireRelease(
    attempt("OpenFeature", () =>
      // The released provider's types are not for exact optional properties.
      Reflect.apply(OpenFeature.setProviderAndWait, OpenFeature, [domain, provider])
    ),
    () => Effect.promise(() => OpenFeature.clearProviders())
  )
  const client = OpenFeature.getClient(domain)
  return (all: ReadonlyArray<User>) =>
    Effect.forEach(
      all,
      ({ id, region }) => {
        const context: EvaluationContext = { targetingKey: id, region }
        return attempt("OpenFeature", () => client.getBooleanDetails(flagKey, false, context)).pipe(
          Effect.flatMap((details) =>
            details.errorCode === undefined
              ? Effect.succeed(details.value)
              : failed(`OpenFeature failed: ${details.errorCode} ${details.errorMessage ?? ""}`)
          ),
          Effect.retry(busy)
        )
      },
      { concurrency: requestsAtOnce }
    )
})

const growthBook = Effect.fnUntraced(function* ({ apiKey, apiUrl }: Installation) {
  const { GrowthBook } = yield* attempt("GrowthBook", () => import("@growthbook/growthbook"))
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new GrowthBook({ apiHost: `${apiUrl}/growthbook`, clientKey: apiKey })),
    (opened) => Effect.sync(() => opened.destroy({ destroyAllStreams: true }))
  )
  const { error } = yield* attempt("GrowthBook", () => client.init({ timeout: initMillisMax }))
  if (error !== undefined) return yield* failed(`GrowthBook failed: ${error.message}`)
  return (all: ReadonlyArray<User>) =>
    Effect.forEach(all, (user) =>
      attempt("GrowthBook", () => client.setAttributes(user)).pipe(
        Effect.andThen(Effect.sync(() => client.isOn(flagKey)))
      )
    )
})

const unleash = Effect.fnUntraced(function* ({ apiKey, apiUrl }: Installation) {
  const { UnleashClient } = yield* attempt("Unleash", () => import("unleash-proxy-client"))
  const open = Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new UnleashClient({
            url: `${apiUrl}/unleash/api/frontend`,
            clientKey: apiKey,
            appName: "quickstart",
            refreshInterval: 0,
            disableMetrics: true
          })
      ),
      (opened) => Effect.sync(() => opened.stop())
    )
    yield* attempt("Unleash", () => client.start())
    return client
  })
  const clients = yield* Effect.forEach(Array.from({ length: unleashClients }), () => open)
  return (all: ReadonlyArray<User>) =>
    Effect.map(
      Effect.forEach(
        clients,
        (client, turn) =>
          Effect.forEach(
            all.filter((_, index) => index % unleashClients === turn),
            ({ id, region }) =>
              attempt("Unleash", () => client.updateContext({ userId: id, properties: { region } })).pipe(
                // It keeps the values of the user before when it cannot reach the server.
                Effect.flatMap(() =>
                  client.getError() === undefined
                    ? Effect.succeed(client.isEnabled(flagKey))
                    : failed(`Unleash failed: ${String(client.getError())}`)
                ),
                Effect.retry(busy)
              )
          ),
        { concurrency: unleashClients }
      ),
      (byTurn) =>
        all.map((_, index) => byTurn[index % unleashClients]?.[Math.floor(index / unleashClients)] ?? false)
    )
})

/** Makes the flag once, and waits until the process that evaluates has it. */
const ensureFlag = Effect.fnUntraced(function* ({ apiKey, apiUrl }: Installation) {
  const client = yield* HttpClient
  const post = (path: string, body: Schema.Json) =>
    client.execute(
      HttpClientRequest.post(`${apiUrl}${path}`).pipe(
        HttpClientRequest.bearerToken(apiKey),
        HttpClientRequest.bodyJsonUnsafe(body)
      )
    )
  const created = yield* post("/v1/platform/flags", flag).pipe(
    Effect.repeat({ while: ({ status }) => status === 503, schedule: busy })
  )
  if (created.status !== 201 && created.status !== 409) {
    return yield* failed(`Creating a flag answered ${created.status}: ${yield* created.text}`)
  }
  yield* post(`/ofrep/v1/evaluate/flags/${flagKey}`, { context: { targetingKey: "user-0" } }).pipe(
    Effect.repeat({
      until: ({ status }) => status !== 404 && status !== 503,
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))
    })
  )
})

/** Asks every client for every user. `agreed` are the users for whom all have the same value. */
export const agreement = Effect.fn("FlagClients.agreement")(function* (installation: Installation) {
  yield* ensureFlag(installation)
  const valuesOf = (
    open: (
      at: Installation
    ) => Opened<(all: ReadonlyArray<User>) => Effect.Effect<Array<boolean>, CommandFailed>>
  ) => Effect.scoped(Effect.flatMap(open(installation), (ask) => ask(users)))
  const values = {
    openFeature: yield* valuesOf(openFeature),
    growthBook: yield* valuesOf(growthBook),
    unleash: yield* valuesOf(unleash)
  }
  const count = (list: ReadonlyArray<boolean>): number => list.filter(Boolean).length
  return {
    users: users.length,
    agreed: users.filter(
      (_, index) =>
        values.openFeature[index] === values.growthBook[index] &&
        values.openFeature[index] === values.unleash[index]
    ).length,
    on: {
      openFeature: count(values.openFeature),
      growthBook: count(values.growthBook),
      unleash: count(values.unleash)
    }
  }
})
