/** Builds of search in which one guarantee is taken out: `pnpm soak search --break <kind>`. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"

export const kinds = ["fields", "activation", "overlay"] as const

export type Kind = (typeof kinds)[number]

const torn = ["search", "--mode", "torn", "--products", "500", "--searches", "150", "--switches", "1"]
const kill = [
  "search",
  "--mode",
  "kill",
  "--products",
  "2000",
  "--searches",
  "20",
  "--incidents",
  "1",
  "--switches",
  "1"
]

const breaks: Readonly<Record<Kind, BrokenBuild.Break<string>>> = {
  // The fields of a hit are those at the time of reading, not those that were searched.
  fields: {
    clauses: [
      {
        file: "packages/search/src/internal/hitRows.ts",
        text: "return row?.isAsFound === true ?",
        instead: "return row !== undefined ?"
      }
    ],
    rule: "torn",
    args: torn
  },
  // The gates and the activation commit one after the other.
  activation: {
    clauses: [
      {
        file: "packages/search/src/SearchIndexVersions.ts",
        text: "return yield* transactionOf(sql)(judgeIn)",
        instead: "return yield* judgeIn"
      }
    ],
    rule: "activation_lost",
    args: kill
  },
  // A search inside a transaction that has changed nothing looks at the version alone.
  overlay: {
    clauses: [
      {
        file: "packages/search/src/internal/engine/Delta.ts",
        text: "return this.size === 0 && (this.parent === undefined || this.parent.size === 0)",
        instead: "return this.size === 0"
      }
    ],
    rule: "transaction_sees_otherwise",
    args: kill
  }
}

/** Runs the soak on such a build, and fails unless it finds what it must. */
export const check = (kind: Kind, seed: number) => BrokenBuild.check(kind, breaks[kind], seed)
