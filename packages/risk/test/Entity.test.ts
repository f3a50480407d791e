import { assert, describe, it } from "@effect/vitest"
import { createHash, createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { hmacWith, normalise } from "@hypermarket/risk/internal/entity"
import * as Scene from "./Scene.ts"

describe("entities", () => {
  it("are hashed by HMAC-SHA-256, for keys of any length", () => {
    const random = Scene.random(20)
    for (const length of [0, 16, 32, 63, 64, 65, 200]) {
      const key = Uint8Array.from({ length }, () => Math.floor(random() * 256))
      const hmac = hmacWith(key)
      for (const text of ["", "card\u0000c-1", "ä€😀", "x".repeat(500)]) {
        const expected = createHmac("sha256", key).update(text, "utf8").digest("hex")
        assert.strictEqual(hmac(text).toString("hex"), expected)
      }
    }
  })

  it("of an address are the same by address and by its hash", () => {
    // The vectors of the README, by which a shop checks its hashes.
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const vectors = Array.from(
      readme.matchAll(/^\| `(email\w*Hash)` +\| `(.+)` +\| `([0-9a-f]{64})` +\|$/gm),
      ([, name = "", text = "", hash = ""]) => ({ name, text, hash })
    )
    assert.lengthOf(vectors, 2)
    for (const { hash, text } of vectors) {
      assert.strictEqual(hash, createHash("sha256").update(text, "utf8").digest("hex"))
    }
    const byHash = normalise(Object.fromEntries(vectors.map(({ hash, name }) => [name, hash])))
    assert.deepStrictEqual(normalise({ email: "Ann+Shop@BÜCHER.example" }), byHash)
    assert.deepStrictEqual(
      byHash.map(({ kind }) => kind),
      ["email", "emailBase"]
    )
  })

  it("are normalised by kind", () => {
    const value = (entities: Parameters<typeof normalise>[0]) => normalise(entities)[0]?.value
    assert.strictEqual(value({ ip: "::ffff:203.0.113.9" }), value({ ip: "203.0.113.9" }))
    assert.strictEqual(value({ ip: "2001:db8:1:2::7" }), value({ ip: "2001:db8:1:2:ffff::9" }))
    assert.notStrictEqual(value({ ip: "2001:db8:1:2::7" }), value({ ip: "2001:db8:1:3::7" }))
    assert.strictEqual(value({ phone: "+49 (30) 90-18.20" }), value({ phone: "+4930901820" }))
    assert.strictEqual(value({ email: "Ann@BÜCHER.example" }), value({ email: "ann@xn--bcher-kva.example" }))
    const [normal, base] = normalise({ email: "ann+shop@example.com" })
    assert.strictEqual(normal?.kind, "email")
    assert.strictEqual(base?.value, value({ email: "ann@example.com" }))
    assert.strictEqual(value({ address: "1  Main St " }), value({ address: "1 main st" }))
    assert.lengthOf(normalise({ seller: ["s1", "s2", "s1"] }), 2)
  })
})
