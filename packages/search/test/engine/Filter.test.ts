import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Filter from "@hypermarket/search/internal/engine/Filter"

interface Product {
  readonly keywords: Readonly<Record<string, ReadonlyArray<string>>>
  readonly numbers: Readonly<Record<string, number>>
}

const reader: Filter.Reader<Product> = {
  isIn: (column, values) => (product) =>
    column in product.numbers
      ? values.some((value) => Number(value) === product.numbers[column])
      : (product.keywords[column] ?? []).some((value) => values.includes(value)),
  number: (column) => (product) => product.numbers[column] ?? Number.NaN,
  exists: (column) => (product) => column in product.numbers || (product.keywords[column] ?? []).length > 0
}

const camera: Product = {
  keywords: { brand: ["Canon"], color: ["black", "dark red"] },
  numbers: { price: 19_900, stock: 0 }
}

const holds = (text: string) => {
  const filter = Filter.parse(text)
  if (Result.isFailure(filter)) throw new Error(`${text}: ${filter.failure.message}`)
  return Filter.compile(filter.success, reader)(camera)
}

const problem = (text: string) => {
  const filter = Filter.parse(text)
  return Result.isFailure(filter) ? filter.failure : undefined
}

describe("Filter", () => {
  it("reads conditions, connectives and brackets", () => {
    const cases: ReadonlyArray<readonly [string, boolean]> = [
      ["brand = Canon", true],
      ["brand = canon", false],
      ["brand != Canon", false],
      ['color = "dark red"', true],
      ["color = 'dark red'", true],
      [String.raw`color = "dark\ red"`, true],
      ["price >= 19900", true],
      ["price > 19900", false],
      ["price < 19900.5", true],
      ["price <= 19899", false],
      ["price 1 TO 19900", true],
      ["stock = 0", true],
      ["stock -1 to -0.5", false],
      ["brand in [Nikon, Canon]", true],
      ["brand NOT IN [Nikon]", true],
      ["weight EXISTS", false],
      ["weight NOT EXISTS AND brand EXISTS", true],
      ["weight > 1", false],
      ["weight != 1", true],
      ["NOT weight > 1", true],
      ["brand = Nikon OR brand = Canon AND price > 1", true],
      ["(brand = Nikon OR brand = Canon) AND price < 1", false],
      ["NOT (brand = Nikon OR price < 1)", true]
    ]
    for (const [text, expected] of cases) assert.strictEqual(holds(text), expected, text)
  })

  it("says where a filter cannot be read", () => {
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["", 0],
      ["brand", 5],
      ["brand =", 7],
      ["brand = Canon price = 1", 14],
      ['brand = "Canon', 8],
      ["price > cheap", 8],
      ["price 1 2", 8],
      ["brand IN [a, b", 14],
      ["brand NOT Canon", 10],
      ["(brand = a", 10],
      ["brand = a AND", 13],
      ["brand = %", 8]
    ]
    for (const [text, position] of cases) assert.strictEqual(problem(text)?.position, position, text)
  })

  it("bounds length, conditions, nesting and values", () => {
    assert.strictEqual(problem("a = b OR ".repeat(10_000))?.position, Filter.filterCharsMax)
    assert.match(problem(`${"a=b OR ".repeat(Filter.filterNodesMax)}a=b`)?.message ?? "", /conditions/)
    assert.match(problem(`${"(".repeat(30)}a=b${")".repeat(30)}`)?.message ?? "", /nested/)
    assert.match(problem(`${"NOT ".repeat(30)}a=b`)?.message ?? "", /nested/)
    assert.match(problem(`a IN [${"1,".repeat(Filter.filterValuesMax)}1]`)?.message ?? "", /values/)
  })

  it("takes a list of as many uuids as it may have values", () => {
    const ids = Array.from(
      { length: 1_000 },
      (_, n) => `"0195fa2c-7d31-7cc3-98c4-${String(n).padStart(12, "0")}"`
    )
    assert.isUndefined(problem(`brand = Canon AND $id NOT IN [${ids.join(", ")}]`))
  })

  it("names the columns it reads", () => {
    const filter = Filter.parse("a = 1 AND NOT (b > 1 OR c EXISTS)")
    assert.isTrue(Result.isSuccess(filter))
    if (Result.isSuccess(filter))
      assert.deepStrictEqual([...Filter.columnsOf(filter.success)], ["a", "b", "c"])
  })
})
