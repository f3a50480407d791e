import { assert, describe, it } from "@effect/vitest"
import * as ProcessLog from "@hypermarket/installation/ProcessLog"

describe("a log line for a person", () => {
  it("has the time of day, the level, the message and the other fields, on one line", () => {
    const line = JSON.stringify({
      timestamp: "2026-03-04T09:08:07.006Z",
      level: "WARN",
      message: "A job failed",
      tenant_id: "boots",
      attempts: 3,
      request_id: null,
      reason: "no stock left"
    })
    assert.strictEqual(
      ProcessLog.prettyOf(line),
      `09:08:07.006 WARN  A job failed tenant_id=boots attempts=3 reason="no stock left"`
    )
  })

  it("has the cause below it, indented", () => {
    const line = JSON.stringify({
      timestamp: "2026-03-04T09:08:07.006Z",
      level: "ERROR",
      message: "Lost",
      cause: "Error: a\n    at b"
    })
    assert.strictEqual(ProcessLog.prettyOf(line), "09:08:07.006 ERROR Lost\n  Error: a\n      at b")
  })

  it("shows no control character that came with a request", () => {
    const path = "/\u001b[2J\r\nFATAL forged"
    const line = JSON.stringify({
      timestamp: "2026-03-04T09:08:07.006Z",
      level: "INFO",
      message: `request\u001b[31m\n`,
      path,
      cause: "\u001b]0;title\u0007 gone"
    })
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    assert.notMatch(ProcessLog.prettyOf(line), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
    assert.strictEqual(ProcessLog.prettyOf(line).split("\n").length, 2)
  })

  it("is the text itself when it is no object of JSON", () => {
    for (const text of ["plain", "[1]", "7", '{"cut']) assert.strictEqual(ProcessLog.prettyOf(text), text)
  })
})
