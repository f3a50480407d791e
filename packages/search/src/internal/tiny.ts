/** Numbers that Postgres computes with: it fails on a result that is too small, where JavaScript makes it zero. */
import * as Schema from "effect/Schema"

/** Far above what a `real` or a product of two of them can hold, far below what a weight means. */
const tinyMax = 1e-15

export const isNotTiny = Schema.makeFilter(
  (value: number) => (value === 0 || value >= tinyMax ? undefined : `Expected 0, or at least ${tinyMax}`),
  { expected: `0, or at least ${tinyMax}`, toJsonSchema: () => ({}) }
)
