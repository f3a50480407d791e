import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"

// eslint-disable-next-line no-control-regex -- refusing control characters is the point
const noControls = Schema.isPattern(/^[^\u0000-\u001f\u007f\u0080-\u009f\u2028\u2029]+$/u, {
  message: "Expected no control characters"
})

/** Text for a header: a name or a subject. */
export const headerText = (max: number) => Schema.String.check(Text.isText({ max }), noControls)
