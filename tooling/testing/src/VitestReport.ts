/** The part of vitest's JSON report that is read here. */
import * as Schema from "effect/Schema"

const TestFile = Schema.Struct({
  name: Schema.String,
  status: Schema.String,
  message: Schema.String,
  startTime: Schema.Finite,
  endTime: Schema.Finite,
  assertionResults: Schema.Array(
    Schema.Struct({
      title: Schema.String,
      fullName: Schema.String,
      status: Schema.String,
      failureMessages: Schema.NullOr(Schema.Array(Schema.String))
    })
  )
})

export const Report = Schema.fromJsonString(
  Schema.Struct({
    numPassedTests: Schema.Int,
    numFailedTests: Schema.Int,
    numPendingTests: Schema.Int,
    success: Schema.Boolean,
    startTime: Schema.Finite,
    testResults: Schema.Array(TestFile)
  })
)
