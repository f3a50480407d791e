/** Why a flag cannot be given to another system's SDK to evaluate: collected, so that all reasons are named at once. */
import { ExportBudget } from "./exportBudget.ts"

/** Reasons per flag, far above what one flag has by mistake. Further ones are not named. */
const reasonsMax = 20

/** Characters of a reason, which may quote an attribute or a pattern. The rest is cut off. */
const reasonCharactersMax = 300

export class ExportRefusals {
  readonly reasons: Set<string>
  readonly budget: ExportBudget
  readonly #within: ReadonlyArray<string>

  constructor(
    budget: ExportBudget = new ExportBudget(),
    within: ReadonlyArray<string> = [],
    reasons: Set<string> = new Set()
  ) {
    this.budget = budget
    this.#within = within
    this.reasons = reasons
  }

  /** The same list, for a part that later reasons name. */
  within(part: string): ExportRefusals {
    return new ExportRefusals(this.budget, [...this.#within, part], this.reasons)
  }

  refuse(reason: string): void {
    if (this.reasons.size >= reasonsMax) return
    this.reasons.add([...this.#within, reason].join(": ").slice(0, reasonCharactersMax).toWellFormed())
  }
}
