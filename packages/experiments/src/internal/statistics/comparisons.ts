/** Corrections for many comparisons, as R's `p.adjust` computes them. */

/**
 * - `holm`: Holm (1979), family-wise error under any dependence.
 * - `hochberg`: Hochberg (1988), family-wise error for independent or positively dependent tests.
 * - `bh`: Benjamini and Hochberg (1995), false discovery rate for independent or positively dependent tests.
 * - `by`: Benjamini and Yekutieli (2001), false discovery rate under any dependence.
 * - `bonferroni`: each p times their number.
 */
export type Correction = "none" | "bonferroni" | "holm" | "hochberg" | "bh" | "by"

/** Returns adjusted p-values, in the order of the given ones. */
export const adjust = (ps: ReadonlyArray<number>, correction: Correction): ReadonlyArray<number> => {
  const count = ps.length
  if (correction === "none" || count === 0) return ps
  if (correction === "bonferroni") return ps.map((p) => Math.min(1, p * count))
  const ascending = ps.map((_, index) => index).toSorted((a, b) => (ps[a] ?? 0) - (ps[b] ?? 0))
  const harmonic = ps.reduce((sum, _, index) => sum + 1 / (index + 1), 0)
  const scaled = ascending.map((place, rank) => {
    const p = ps[place] ?? 1
    switch (correction) {
      case "holm":
      case "hochberg":
        return p * (count - rank)
      case "bh":
        return (p * count) / (rank + 1)
      case "by":
        return (p * count * harmonic) / (rank + 1)
    }
  })
  const adjusted = Array.from({ length: count }, () => 1)
  let bound = correction === "holm" ? 0 : 1
  for (let step = 0; step < count; step++) {
    const rank = correction === "holm" ? step : count - 1 - step
    const value = scaled[rank] ?? 1
    bound = correction === "holm" ? Math.max(bound, value) : Math.min(bound, value)
    adjusted[ascending[rank] ?? 0] = Math.min(1, bound)
  }
  return adjusted
}
