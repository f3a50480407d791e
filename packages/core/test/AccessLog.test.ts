import { assert, describe, it } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"

const keyId = "0199b6f2c1d27e0a8a3c5d1f00112233"
const key = `hm_${keyId}_${"Zq7".repeat(14)}x`

describe("the path of a request in the log", () => {
  it("has no key and no query, whether a route matches or not", () => {
    const { path } = AccessLog.makeFacts("id", "GET", `/nowhere/${key}/x?apiKey=${key}#${key}`, 0)
    assert.strictEqual(path, `/nowhere/hm_${keyId}/x`)
  })

  it("has the key's id for a secret parameter that is a key, and an ellipsis for any other", () => {
    const template = "/sub/:key/of/:shop"
    assert.strictEqual(AccessLog.pathOf(`/sub/${key}/of/tea`, template, ["key"]), `/sub/hm_${keyId}/of/tea`)
    assert.strictEqual(AccessLog.pathOf("/sub/s3cr3t-token/of/tea", template, ["key"]), "/sub/…/of/tea")
    assert.strictEqual(AccessLog.pathOf("/sub/hm_s3cr3t/of/tea", template, ["key"]), "/sub/…/of/tea")
  })
})
