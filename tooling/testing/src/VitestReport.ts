/** What vitest's JSON reporter writes, as far as it is read here. */
import * as Schema from "effect/Schema"

const TestFile = Schema.Struct({
  name: Schema.String,
  status: Schema.String,
  message: Schema.String,
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
