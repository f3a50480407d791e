import { assert, describe, it } from "@effect/vitest"
import * as Release from "@hypermarket/core/Release"

describe("Release", () => {
  it("orders numbers and not letters, and takes a pre-release for the release that it leads to", () => {
    const sorted = ["0.10.0", "0.9.12", "1.0.0", "0.9.2"].toSorted(Release.order)
    assert.deepStrictEqual(sorted, ["0.9.2", "0.9.12", "0.10.0", "1.0.0"])
    assert.isFalse(Release.isOlder("0.2.0-next.1", "0.2.0"))
    assert.isFalse(Release.isRelease("0.2"))
    assert.throws(() => Release.isOlder("v1", "0.2.0"), /"v1" is not a release/)
  })

  it("takes an earlier minor for the previous one, and no later patch of the same", () => {
    assert.isTrue(Release.isPreviousMinor("0.1.0", "0.1.0"), "the first release has none before it")
    assert.isTrue(Release.isPreviousMinor("0.2.4", "0.3.0"))
    assert.isFalse(Release.isPreviousMinor("0.3.0", "0.3.1"))
    assert.isTrue(Release.isPreviousMinor("0.9.0", "1.0.0"))
    assert.isFalse(Release.isPreviousMinor("1.0.0", "1.0.3"))
  })
})
