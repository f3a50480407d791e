/**
 * `pnpm bench flags [--only evaluate,outage]`: the processor time of an evaluation in process, with the variant, the reason and the rule,
 * beside the clients of Unleash, GrowthBook and flagd. Each has the same flags and users. They take turns in one process. Then
 * evaluations over HTTP while the database is shut down.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as FlagEvaluator from "@hypermarket/platform/FlagEvaluator"
import type { Attributes } from "@hypermarket/platform/FlagEvaluation"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import type { Condition } from "@hypermarket/core/Condition"
import * as Effect from "effect/Effect"
import { outage } from "./flags/outage.ts"

const flagsMax = 60
const usersMax = 1_000
/** Of all flags for all users, per turn. */
const repeats = 4
/** Without a figure: compilers and caches get warm. */
const warmUps = 2

interface Comparison {
  readonly attribute: string
  readonly operator: "in" | "startsWith" | "gt"
  readonly value?: number
  readonly values?: ReadonlyArray<string>
}

interface Flag {
  readonly key: string
  readonly conditions: ReadonlyArray<Comparison>
  readonly percentage: number
}

type User = Readonly<Record<string, string | number>>

/** An engine, whose context is a record of JSON in its own form. */
interface Engine {
  readonly contextOf: (user: User) => Attributes
  readonly evaluate: (key: string, context: Attributes) => boolean
  readonly close: () => void
}

const countries = ["AT", "DE", "CH", "FR", "IT", "ES", "NL", "BE", "PL", "US"]
const plans = ["free", "pro", "team"]

const flags: ReadonlyArray<Flag> = Array.from({ length: flagsMax }, (_, index): Flag => {
  const country: Comparison = {
    attribute: "country",
    operator: "in",
    values: countries.slice(index % 5, (index % 5) + 5)
  }
  const plan: Comparison = { attribute: "plan", operator: "in", values: plans.slice(index % 2) }
  const others: ReadonlyArray<Comparison> = [
    { attribute: "orders", operator: "gt", value: index },
    { attribute: "appVersion", operator: "startsWith", values: [`${index % 4}.`, "3."] },
    country
  ]
  return {
    key: `flag-${index}`,
    conditions: [country, plan, ...others.slice(index % 3, (index % 3) + 1)].slice(
      0,
      index % 3 === 2 ? 2 : 3
    ),
    percentage: 5 + (index % 19) * 5
  }
})

const users: ReadonlyArray<User> = Array.from({ length: usersMax }, (_, index) => ({
  targetingKey: `customer-${index}`,
  country: countries[index % countries.length] ?? "",
  plan: plans[index % plans.length] ?? "",
  orders: (index * 7) % 100,
  appVersion: `${index % 4}.${index % 10}.0`
}))

const conditionOf = (comparison: Comparison): Condition => {
  const { attribute, operator, value = 0, values = [] } = comparison
  return operator === "gt" ? { attribute, operator, value } : { attribute, operator, values }
}

const ours = (): Engine => {
  const evaluator = FlagEvaluator.make({
    environment: "live",
    revision: 1n,
    segments: new Map(),
    flags: flags.map(({ conditions, key, percentage }) => ({
      flagKey: key,
      kind: "boolean" as const,
      variants: [
        { name: "on", value: true },
        { name: "off", value: false }
      ],
      metadata: {},
      salt: key,
      hashing: "murmur3" as const,
      definition: {
        isEnabled: true,
        rules: [
          {
            ruleId: "rule",
            condition: { all: conditions.map(conditionOf) },
            percentage,
            serve: { variant: "on" }
          }
        ],
        otherwise: { variant: "off" }
      } satisfies FlagEnvironment
    }))
  })
  return {
    contextOf: (user) => user,
    evaluate: (key, user) => evaluator.evaluate(key, user).value === true,
    close: () => undefined
  }
}

/** Nanoseconds of processor time per evaluation, and how many flags were on. */
const turn = (
  evaluate: (key: string, context: Attributes) => boolean,
  contexts: ReadonlyArray<Attributes>,
  times: number
) => {
  let on = 0
  const before = process.cpuUsage()
  for (let time = 0; time < times; time++) {
    for (const context of contexts) for (const { key } of flags) if (evaluate(key, context)) on++
  }
  const { system, user } = process.cpuUsage(before)
  const evaluations = times * contexts.length * flags.length
  return { nanos: ((user + system) * 1_000) / evaluations, share: on / evaluations }
}

const shareDifferenceMax = 0.03

const evaluations = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  yield* Setup.installPeers
  const peers = yield* Effect.tryPromise(async (): Promise<Readonly<Record<string, Engine>>> =>
    (await import(Setup.peerScript("flags.js"))).make(flags)
  )
  const engines: Readonly<Record<string, Engine>> = { ours: ours(), ...peers }
  const measured = new Map<string, Array<number>>()
  const shares = new Map<string, number>()
  const times = Math.max(1, Math.round(repeats * scale))
  const contexts = new Map(
    Object.entries(engines).map(([name, engine]) => [name, users.map((user) => engine.contextOf(user))])
  )
  for (let round = -warmUps; round < rounds * 5; round++) {
    for (const [name, engine] of Object.entries(engines)) {
      const { nanos, share } = turn(engine.evaluate, contexts.get(name) ?? [], times)
      shares.set(name, share)
      if (round >= 0) measured.set(name, [...(measured.get(name) ?? []), nanos])
    }
  }
  for (const engine of Object.values(engines)) engine.close()
  const ownShare = shares.get("ours") ?? 0
  for (const [name, share] of shares) {
    yield* Bench.say(`${name}: ${(100 * share).toFixed(1)} % on`)
    if (Math.abs(share - ownShare) > shareDifferenceMax) {
      return yield* new Setup.SetupFailed({ message: `${name} does not evaluate the same flags` })
    }
  }
  const medianOf = (name: string): number => Bench.median(measured.get(name) ?? [])
  // Evaluations per second of processor time: more is better, as in the targets.
  const rateOf = (name: string): number => 1e9 / medianOf(name)
  return [
    {
      figure: "evaluation: per second of processor time",
      unit: "1/s",
      ours: rateOf("ours"),
      peers: Object.fromEntries(Object.keys(peers).map((name) => [name, rateOf(name)]))
    },
    {
      figure: "evaluation: processor time",
      unit: "ns",
      ours: medianOf("ours"),
      peers: Object.fromEntries(Object.keys(peers).map((name) => [name, medianOf(name)]))
    }
  ]
})
export const bench: Bench.Bench = {
  run: Effect.fn("bench flags")(function* (options: Bench.Options) {
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      options.only.length > 0 && !options.only.includes(name)
        ? Effect.succeed<ReadonlyArray<Bench.Figure>>([])
        : Effect.tap(part, options.measured)
    const figures = yield* Effect.all([
      run("evaluate", evaluations(options)),
      run("outage", outage(options.scale))
    ])
    return figures.flat()
  })
}
