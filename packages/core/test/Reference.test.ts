import { assert, describe, it } from "@effect/vitest"
import * as Reference from "@hypermarket/core/Reference"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

const Api = HttpApi.make("shop").add(HttpApiGroup.make("lamps").add(HttpApiEndpoint.get("list", "/v1/lamps")))

const example = { name: "all", summary: "All lamps", status: 200 }

/** Makes the reference of one operation. */
const make = (prose: Reference.Prose, examples: ReadonlyArray<unknown> = [example]) =>
  Reference.make(Api, { lamps: { list: prose } }, { examples: { "lamps.list": examples }, problems: {} })

const list = { summary: "List lamps", description: "Returns all lamps." }

describe("A reference", () => {
  it("has the prose and the examples of its operations", () => {
    assert.deepStrictEqual(make(list).operations, [{ name: "lamps.list", ...list, examples: [example] }])
  })

  it("does not compile without the prose of an operation", () => {
    // @ts-expect-error -- `list` is missing
    const prose: Reference.ProseOf<HttpApi.Groups<typeof Api>> = { lamps: {} }
    assert.isDefined(prose)
  })

  it("is refused when a text is empty, or a summary does not fit the sidebar", () => {
    assert.throws(() => make({ ...list, summary: "" }), "lamps.list has no prose")
    assert.throws(() => make({ ...list, description: " " }), "lamps.list has no prose")
    assert.throws(() => make({ ...list, summary: "List lamps." }), "without a full stop")
    assert.throws(() => make({ ...list, summary: "x".repeat(41) }), "at most 40 characters")
  })

  it("is refused without an example, with two of one name, and with those of no operation", () => {
    assert.throws(() => make(list, []), "lamps.list has no example")
    assert.throws(() => make(list, [example, example]), "two examples have one name")
    const options = { examples: { "lamps.list": [example], "lamps.get": [example] }, problems: {} }
    assert.throws(() => Reference.make(Api, { lamps: { list } }, options), "lamps.get, which does not exist")
  })
})
