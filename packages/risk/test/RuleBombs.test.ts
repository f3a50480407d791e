import { assert, describe, it, layer, vi } from "@effect/vitest"
import * as Ast from "@hypermarket/risk/cel/Ast"
import * as Checker from "@hypermarket/risk/cel/Checker"
import * as Compiler from "@hypermarket/risk/cel/Compiler"
import * as Parser from "@hypermarket/risk/cel/Parser"
import * as T from "@hypermarket/risk/cel/Type"
import * as V from "@hypermarket/risk/cel/Value"
import * as Engine from "@hypermarket/risk/internal/ruleEngine"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { bombs, refusals, subject, words } from "@hypermarket/testing/RuleBombs"
import { Effect, Fiber } from "effect"
import { Worker } from "node:worker_threads"
import * as Scene from "./Scene.ts"
import { tenant } from "./Scene.ts"

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

const nodesMax = 500
const decisionStepsMax = 1_000_000

const nodesOf = (ast: Ast.Ast): number => Ast.childrenOf(ast).reduce((sum, child) => sum + nodesOf(child), 1)

/** Those that would do more than a rule's 100,000 steps. Each ends there: a function that counted none would go on to a result. */
const overBudget = new Set([
  "a pattern that backtracks",
  "loops in loops",
  "a loop with a long body",
  "text that doubles",
  "lists that double",
  "equal lists",
  "equal maps",
  "a list searched",
  "text in text",
  "a long text in text",
  "text in order",
  "sizes of text",
  "text as bytes",
  "text as numbers",
  "instants as text",
  "text as instants",
  "fields in a time zone",
  "fields in no time zone"
])

describe("rule bombs", () => {
  for (const [name, expression] of Object.entries(bombs)) {
    it(`are refused, or end within their steps: ${name}`, () => {
      const parsed = Parser.parse(expression)
      if (!parsed.ok) return assert.strictEqual(parsed.issue.message, refusals[name])
      const checked = Checker.check(expression, parsed.ast, environment)
      assert.strictEqual(checked.issues[0]?.message, refusals[name])
      if (checked.issues.length > 0) return
      assert.isAtMost(nodesOf(parsed.ast), nodesMax)
      const program = Compiler.compile(checked.ast, checked.variables)
      const budget = { remaining: decisionStepsMax }
      const outcome = program.run(
        checked.variables.map((variable) => values[variable]),
        budget
      )
      const steps = decisionStepsMax - budget.remaining
      assert.isAtMost(steps, Compiler.stepsMax)
      const isOver = outcome instanceof V.Failure && outcome.reason === "budget"
      assert.strictEqual(isOver, overBudget.has(name), `${steps} steps`)
    })
  }
})

/** Functions that read or make 60,000 characters or 1,000 elements. In one loop over `words` the loop's own steps are far below the bound. */
const readers: ReadonlyArray<string> = [
  "subject.contains('2')",
  "subject.endsWith('2')",
  "subject.startsWith('2')",
  "x.matches('(a?){200}')",
  "size(subject) == 0",
  "subject + x == ''",
  "subject == subject + ''",
  "subject < subject",
  "bytes(subject) == b''",
  "double(subject) < 0.0",
  "string(subject) == ''",
  "words + words == []",
  "words == words",
  "'2' in words",
  "{1: words} == {1: words}",
  "at.getHours('America/New_York') < 0"
]

describe("a function", () => {
  for (const expression of readers) {
    it(`counts what it reads and makes: ${expression}`, () => {
      const text = `words.exists(x, ${expression} && false)`
      const parsed = Parser.parse(text)
      if (!parsed.ok) return assert.fail(parsed.issue.message)
      const checked = Checker.check(text, parsed.ast, environment)
      assert.deepStrictEqual(checked.issues, [])
      const program = Compiler.compile(checked.ast, checked.variables)
      const outcome = program.run(
        checked.variables.map((variable) => values[variable]),
        { remaining: decisionStepsMax }
      )
      assert.propertyVal(outcome, "reason", "budget")
    })
  }

  it("that searches for a long text counts the product of both lengths", () => {
    const stepsOf = (part: string) => {
      const budget = { remaining: decisionStepsMax }
      const program = Compiler.compile(
        {
          node: "call",
          name: "contains",
          at: 0,
          args: [
            { node: "ident", name: "text", at: 0 },
            { node: "ident", name: "part", at: 0 }
          ]
        },
        ["text", "part"]
      )
      assert.isFalse(program.run([subject.slice(0, 20_000), part], budget))
      return decisionStepsMax - budget.remaining
    }
    const ones = "1".repeat(1_000)
    assert.isAtMost(stepsOf("2"), 20_000 / 50)
    assert.isAtLeast(stepsOf(`${ones}2${ones}`), (20_000 * 2_001) / 1_100)
    assert.isAtLeast(stepsOf(`${ones}2`), (20_000 * 1_001) / 1_100)
  })

  it("that reads little in the same loop ends below the bound", () => {
    const text = "words.exists(x, x == '2' && false)"
    const parsed = Parser.parse(text)
    if (!parsed.ok) return assert.fail(parsed.issue.message)
    const budget = { remaining: decisionStepsMax }
    const program = Compiler.compile(parsed.ast, ["words"])
    assert.isFalse(program.run([words], budget))
    assert.isAtMost(decisionStepsMax - budget.remaining, Compiler.stepsMax / 10)
  })
})

layer(Scene.layer, { excludeTestServices: true })("saving rules", (it) => {
  /** The slowest to parse that is no mistake. */
  const slow = (suffix: string) => `${bombs["brackets in brackets"]} || subject == '${suffix}'`

  const ruleSetOf = (key: string, expressions: ReadonlyArray<string>) => ({
    rules: expressions.map((expression, index) => ({ key: `${key}${index}`, expression, reason: "R" }))
  })

  /** Runs an effect beside another fiber, and returns how many turns that one had. */
  const turnsBeside = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
    let turns = 0
    const others = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (;;) {
          yield* Effect.yieldNow
          turns++
        }
      })
    )
    yield* self
    yield* Fiber.interrupt(others)
    return turns
  })

  /** Counts the expressions that are sent to the thread. */
  const sentBy = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
    const post = vi.spyOn(Worker.prototype, "postMessage")
    return yield* self.pipe(
      Effect.map(() => post.mock.calls.length),
      Effect.ensuring(Effect.sync(() => post.mockRestore()))
    )
  })

  it.effect("parses each new expression in another thread, and this one serves others meanwhile", () =>
    Effect.gen(function* () {
      const rules = yield* RiskRules
      const expressions = Array.from({ length: 60 }, (_, index) => slow(String(index)))
      let turns = 0
      const sent = yield* sentBy(
        Effect.map(turnsBeside(rules.create(ruleSetOf("a", expressions))), (count) => (turns = count))
      )
      assert.strictEqual(sent, expressions.length)
      // At least one between each expression that is sent and its answer.
      assert.isAtLeast(turns, expressions.length)
    }).pipe(tenant("slow"))
  )

  const lasting = Object.entries(bombs).filter(([name]) => refusals[name] === undefined)
  const bombSet = {
    rules: lasting.map(([, expression], index) => ({
      key: `bomb-${index}`,
      expression: expression.replaceAll("words", "attributes.words"),
      reason: "BOMB",
      outcome: "block" as const,
      kinds: ["payment"] as const
    }))
  }

  it.effect("No bomb that is saved blocks, and others have a turn between any two that take long", () =>
    Effect.gen(function* () {
      const rules = yield* RiskRules
      const risk = yield* Risk
      yield* rules.declare([{ kind: "payment", name: "words", type: "list(string)" }])
      // In shadow too: together the versions evaluate for far longer than one may hold up others.
      const shadow = yield* Effect.forEach([1, 2, 3, 4], () => rules.create(bombSet))
      yield* Scene.goLive(
        bombSet,
        shadow.map(({ version }) => version)
      )
      const decide = risk.decide(Scene.payment("p1", { attributes: { words } }), Scene.patient)
      yield* Effect.repeat(decide, { until: ({ decisionId }) => decisionId !== null })
      const { items } = yield* risk.list({})
      assert.lengthOf(items, 1)
      const errors = items[0]?.verdict.errors ?? []
      assert.isTrue(errors.every(({ reason }) => reason === "budget"))
      // Ten at most of a version have 100,000 steps each: it has a million. All later ones have none.
      assert.isAtLeast(errors.length, decisionStepsMax / Compiler.stepsMax)
      // Without the database, whose answers give others a turn as well.
      const { live } = yield* rules.current
      const frozen = items[0]?.frozen ?? (yield* Effect.die("no decision"))
      assert.isAtLeast(
        yield* turnsBeside(Engine.evaluate(live, frozen)),
        decisionStepsMax / Compiler.stepsMax
      )
    }).pipe(tenant("pauses"))
  )

  it.effect("takes over rules of the same text without parsing them", () =>
    Effect.gen(function* () {
      const rules = yield* RiskRules
      const expressions = Array.from({ length: 20 }, (_, index) => slow(`again ${index}`))
      assert.strictEqual(yield* sentBy(rules.create(ruleSetOf("first", expressions))), 20)
      assert.strictEqual(yield* sentBy(rules.create(ruleSetOf("second", expressions))), 0)
      assert.strictEqual(yield* sentBy(rules.create(ruleSetOf("third", [...expressions, "true"]))), 1)
    }).pipe(tenant("again"))
  )

  it.effect("goes on after a save that its caller gave up", () =>
    Effect.gen(function* () {
      const rules = yield* RiskRules
      const abandoned = yield* Effect.forkChild(
        rules.create(
          ruleSetOf(
            "r",
            Array.from({ length: 50 }, (_, index) => slow(`abandoned ${index}`))
          )
        )
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(abandoned)
      const { rules: saved } = yield* rules.create({
        rules: [{ key: "next", expression: "result == 'declined'", reason: "N" }]
      })
      assert.deepStrictEqual(
        saved.map(({ expression }) => expression),
        ["result == 'declined'"]
      )
      assert.strictEqual((yield* rules.state).newest, 1)
    }).pipe(tenant("abandoned"))
  )
})
