/** The time of rules that take as long as possible: to parse, to check, to evaluate, to save, and the wait of others meanwhile. */
import * as Checker from "@hypermarket/risk/cel/Checker"
import * as Compiler from "@hypermarket/risk/cel/Compiler"
import * as Parser from "@hypermarket/risk/cel/Parser"
import * as T from "@hypermarket/risk/cel/Type"
import * as V from "@hypermarket/risk/cel/Value"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { bombs as expressions, refusals, subject, words } from "@hypermarket/testing/RuleBombs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Bench from "@hypermarket/bench/Bench"

const environment: Checker.Environment = {
  variables: new Map([
    ["subject", T.string],
    ["result", T.string],
    ["at", T.timestamp],
    ["words", T.list(T.string)]
  ]),
  literalPatterns: true
}

const values: Readonly<Record<string, V.Value>> = {
  subject,
  result: "attempted",
  at: new V.Timestamp(1_700_000_000_000_000_000n),
  words
}

/** Processor time of this thread. */
const millisOf = (run: () => unknown): number => {
  const before = process.threadCpuUsage()
  run()
  const { system, user } = process.threadCpuUsage(before)
  return (system + user) / 1_000
}

/** The longest of all bombs, each in the fastest of its rounds. */
const alone = (rounds: number) => {
  const longest = { parse: 0, check: 0, evaluate: 0 }
  const note = (part: keyof typeof longest, run: () => unknown) => {
    longest[part] = Math.max(longest[part], Math.min(...Array.from({ length: rounds }, () => millisOf(run))))
  }
  for (const expression of Object.values(expressions)) {
    note("parse", () => Parser.parse(expression))
    const parsed = Parser.parse(expression)
    if (!parsed.ok) continue
    note("check", () => Checker.check(expression, parsed.ast, environment))
    const checked = Checker.check(expression, parsed.ast, environment)
    if (checked.issues.length > 0) continue
    const program = Compiler.compile(checked.ast, checked.variables)
    const bound = checked.variables.map((variable) => values[variable])
    note("evaluate", () => program.run(bound, { remaining: 1_000_000 }))
  }
  return longest
}

const lasting = Object.entries(expressions).filter(([name]) => refusals[name] === undefined)

/** Each round has other texts: rules of a known text are not parsed again. */
const ruleSet = (round: number) => ({
  rules: lasting.map(([, expression], index) => ({
    key: `bomb-${index}`,
    expression: `${expression.replaceAll("words", "attributes.words")}${" ".repeat(round)}`,
    reason: "BOMB",
    outcome: "review" as const,
    kinds: ["payment"] as const
  }))
})

const nanosPerMilli = 1_000_000

/** Runs an effect, and returns its time and the longest delay of the event loop meanwhile. */
const timed = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const before = yield* Clock.currentTimeMillis
  yield* self
  const millis = (yield* Clock.currentTimeMillis) - before
  delay.disable()
  return { millis, delayMillis: delay.max / nanosPerMilli }
})

export const bombs = Effect.fnUntraced(function* ({ rounds }: Bench.Options) {
  const rules = yield* RiskRules
  const risk = yield* Risk
  const longest = alone(Math.max(rounds, 3))
  yield* Bench.say(`bombs alone: ${JSON.stringify(longest)}`)
  yield* rules.declare([{ kind: "payment", name: "words", type: "list(string)" }])
  const { version } = yield* rules.create(ruleSet(0))
  const state = yield* rules.state
  yield* rules.choose(state.version, { live: version })
  yield* rules.current.pipe(
    Effect.flatMap(({ live }) => (live?.version === version ? Effect.void : Effect.fail("not yet"))),
    Effect.retry(Schedule.spaced("50 millis"))
  )
  const saves: Array<{ readonly millis: number; readonly delayMillis: number }> = []
  const decisions: Array<{ readonly millis: number; readonly delayMillis: number }> = []
  for (let round = 1; round <= rounds; round++) {
    for (const rule of ruleSet(round).rules) saves.push(yield* timed(rules.create({ rules: [rule] })))
    decisions.push(
      yield* timed(
        risk.decide(
          { kind: "payment", subject: `bomb-${round}`, entities: {}, attributes: { words } },
          { deadlineMillis: 10_000 }
        )
      )
    )
  }
  const figure = (name: string, ours: number) => ({ figure: `bombs: ${name}`, unit: "ms", ours, peers: {} })
  return [
    figure("longest parse", longest.parse),
    figure("longest check", longest.check),
    figure("longest evaluation", longest.evaluate),
    figure("longest save of one", Math.max(...saves.map(({ millis }) => millis))),
    figure(
      "longest wait of others while one is saved",
      Math.max(...saves.map(({ delayMillis }) => delayMillis))
    ),
    figure("decision by all", Bench.median(decisions.map(({ millis }) => millis))),
    figure(
      "longest wait of others while all decide",
      Math.max(...decisions.map(({ delayMillis }) => delayMillis))
    )
  ]
})
