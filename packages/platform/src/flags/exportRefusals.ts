/** Why a flag cannot be given to another system's SDK to evaluate: collected, so that all reasons are named at once. */
export class ExportRefusals {
  readonly reasons: Array<string> = []
  readonly #within: ReadonlyArray<string>

  constructor(within: ReadonlyArray<string> = [], reasons: Array<string> = []) {
    this.#within = within
    this.reasons = reasons
  }

  /** The same list, for a part that later reasons name. */
  within(part: string): ExportRefusals {
    return new ExportRefusals([...this.#within, part], this.reasons)
  }

  refuse(reason: string): void {
    this.reasons.push([...this.#within, reason].join(": "))
  }
}
