/** The outcome of a run, as every soak gives it. */

/** A rule that did not hold, how often, and one case of it. */
export interface Violation<Rule extends string = string> {
  readonly rule: Rule
  readonly count: number
  readonly example: string
}

export interface Report<Rule extends string = string> {
  readonly seed: number
  readonly ok: boolean
  readonly violations: ReadonlyArray<Violation<Rule>>
  /** Numbers of what happened. */
  readonly counts: Readonly<Record<string, number>>
  readonly millis: number
}

/** Counts violations by their rule, each with its first example. */
export const tally = <Rule extends string>() => {
  const byRule = new Map<Rule, Violation<Rule>>()
  return {
    add: (rule: Rule, example: string): void => {
      const known = byRule.get(rule)
      byRule.set(rule, { rule, count: (known?.count ?? 0) + 1, example: known?.example ?? example })
    },
    all: (): ReadonlyArray<Violation<Rule>> => Array.from(byRule.values())
  }
}

/** Returns a run as one line. */
export const lineOf = ({ counts, millis, ok, seed, violations }: Report): string => {
  const verdict = ok
    ? "ok"
    : violations.map(({ count, example, rule }) => `${rule} x${count} (${example})`).join("; ")
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return `seed ${seed}: ${verdict} | ${numbers.join(", ")} | ${(millis / 1000).toFixed(1)} s`
}
