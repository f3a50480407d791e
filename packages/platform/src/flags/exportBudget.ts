/**
 * How much of an export may be built. A segment is written out wherever it is used, a value wherever it is served, and
 * Unleash's notation multiplies alternatives: a small definition can become a large one.
 */
import type * as Schema from "effect/Schema"

/** Characters of JSON in an export of one environment, which an SDK fetches as a whole. Past it flags are refused. */
const exportCharactersMax = 16_000_000

/** Characters of JSON of one flag: a quarter, so that one flag leaves room for others. Past it the flag is refused. */
const flagCharactersMax = exportCharactersMax / 4

export class ExportBudget {
  readonly #export: { left: number }
  #taken = 0

  constructor(left: { left: number } = { left: exportCharactersMax }) {
    this.#export = left
  }

  /** The budget of the next flag. What a refused flag took is not given back: building it has cost as much. */
  next(): ExportBudget {
    return new ExportBudget(this.#export)
  }

  take(characters: number): void {
    this.#export.left -= characters
    this.#taken += characters
  }

  /** Counts a value as JSON. Returns it, or null in its place once the budget is spent. */
  value(value: Schema.Json): Schema.Json {
    if (this.isSpent) return null
    this.take(JSON.stringify(value).length)
    return value
  }

  /** Counts what the finished flag has beyond what was counted while it was built. */
  settle(feature: Schema.Json): void {
    if (this.isSpent) return
    this.take(Math.max(0, JSON.stringify(feature).length - this.#taken))
  }

  get isSpent(): boolean {
    return this.#taken > flagCharactersMax || this.#export.left < 0
  }

  get reason(): string {
    return this.#taken > flagCharactersMax
      ? `it has more than ${flagCharactersMax} characters of JSON in this notation`
      : `the export has more than ${exportCharactersMax} characters of JSON`
  }
}
