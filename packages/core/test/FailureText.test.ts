import { assert, describe, it } from "@effect/vitest"
import * as FailureText from "@hypermarket/core/FailureText"
import { Cause, Exit, Schema } from "effect"

const ofFailure = (error: unknown) => FailureText.describe(Cause.fail(error))

class Strange extends Error {
  override get message(): string {
    throw new RangeError("a getter that throws")
  }
}

const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const nested = (levels: number): Error => {
  let error = new Error("the first")
  for (let level = 0; level < levels; level++) error = new Error(`level ${level}`, { cause: error })
  return error
}

describe("A description of a failure", () => {
  const odd: ReadonlyArray<readonly [string, unknown]> = [
    ["a throwing getter", new Strange()],
    ["a revoked proxy", revoked()],
    ["null", null],
    ["undefined", undefined],
    ["a symbol", Symbol("s")],
    ["a bigint", 12n],
    ["a list of two million numbers", Array.from({ length: 2_000_000 }, (_, index) => index)],
    ["20,000 nested causes", nested(20_000)],
    ["an error whose name is a symbol", Object.assign(new Error("named"), { name: Symbol("n") })],
    ["a message of ten million characters", new Error("x".repeat(10_000_000))],
    ["half a surrogate pair and a NUL", new Error("a\ud800\u0000b")]
  ]
  for (const [name, error] of odd) {
    it(`never throws, is bounded and can be stored: ${name}`, () => {
      const text = ofFailure(error)
      assert.isAtLeast(text.length, 1)
      assert.isAtMost(text.length, FailureText.charsMax)
      assert.isTrue(text.isWellFormed())
      assert.notInclude(text, "\u0000")
      assert.match(FailureText.reasonOf(Cause.fail(error)), /^[A-Za-z0-9_]{1,60}$/)
    })
  }

  it("ends for a cause that is its own cause", () => {
    const error = new Error("round and round")
    error.cause = error
    assert.strictEqual(ofFailure(error), "round and round")
  })

  it("begins with the innermost message, and has SQLSTATE and constraint", () => {
    const server = Object.assign(new Error("duplicate key value"), {
      code: "23505",
      constraint: "email_unique"
    })
    const error = new Error("the account was not written", { cause: server })
    assert.strictEqual(
      ofFailure(error),
      "duplicate key value; the account was not written (SQLSTATE 23505, constraint email_unique)"
    )
    assert.strictEqual(FailureText.reasonOf(Cause.fail(error)), "23505")
  })

  it("keeps SQLSTATE and constraint of a long message", () => {
    const error = Object.assign(new Error("m".repeat(3_000)), { code: "22P02" })
    assert.isTrue(ofFailure(error).endsWith("(SQLSTATE 22P02)"))
    assert.strictEqual(ofFailure(error).length, FailureText.charsMax)
  })

  it("leaves out the message of what only wraps another error", () => {
    const wrapped = new Cause.UnknownError(new Error("smtp is down"))
    assert.strictEqual(ofFailure(wrapped), "smtp is down")
  })

  it("shows no stack frame and no path of the machine", () => {
    const error = new Error(
      "cannot read /home/deploy/app/secret.json in file:///srv/app/dist/index.js:10:3\n    at read (/srv/app/dist/index.js:10:3)"
    )
    const text = ofFailure(error)
    assert.strictEqual(text, "cannot read <path> in <path>")
    assert.strictEqual(ofFailure(new Error("GET /v1/events answered 500")), "GET /v1/events answered 500")
  })

  it("names the place of a value that does not decode", () => {
    const exit = Schema.decodeUnknownExit(Schema.Struct({ lines: Schema.Array(Schema.Int) }))({
      lines: [1, "x"]
    })
    const text = Exit.isFailure(exit) ? FailureText.describe(exit.cause) : ""
    assert.include(text, 'at ["lines"][1]')
  })

  it("names the class of an error that has one", () => {
    const error = Object.assign(new Error("no such zone"), { _tag: "ZoneUnknown" })
    assert.strictEqual(ofFailure(error), "ZoneUnknown: no such zone")
    assert.strictEqual(FailureText.reasonOf(Cause.die(error)), "ZoneUnknown")
  })

  it("says that a fiber was interrupted", () => {
    assert.strictEqual(FailureText.describe(Cause.interrupt(1)), "interrupted")
  })
})
