/**
 * How good rankings are, by judged queries.
 */

export interface Judged {
  readonly query: string
  /** By document, from 0 (irrelevant). */
  readonly ratings: ReadonlyMap<string, number>
}

export interface Evaluated {
  readonly query: string
  /** Null when nothing is judged relevant for the query: no ranking is better than another. */
  readonly ndcg: number | null
  readonly found: number
  /** The first hit, and how it is rated; null for one without a judgement. */
  readonly first: { readonly id: string; readonly rating: number | null } | null
}

export interface Evaluation {
  /** Mean over the queries that have a relevant document. */
  readonly ndcgAt10: number | null
  readonly queriesJudged: number
  readonly queriesWithRelevant: number
  /** Of all queries. */
  readonly zeroResultRate: number
  readonly zeroResultQueries: ReadonlyArray<string>
  /** Worst first. */
  readonly losers: ReadonlyArray<Evaluated>
}

const ranks = 10

/**
 * Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002), with the gain 2^rating - 1 of
 * Burges 2005. What is not judged counts as irrelevant.
 */
const ndcgAt10 = (ids: ReadonlyArray<string>, ratings: ReadonlyMap<string, number>): number | null => {
  const gainOf = (all: ReadonlyArray<number>) =>
    all.slice(0, ranks).reduce((sum, rating, at) => sum + (2 ** rating - 1) / Math.log2(at + 2), 0)
  const best = gainOf(Array.from(ratings.values()).toSorted((a, b) => b - a))
  return best === 0 ? null : gainOf(ids.map((id) => ratings.get(id) ?? 0)) / best
}

/** One query's ranking against its judgments. */
export const evaluate = (
  { query, ratings }: Judged,
  ids: ReadonlyArray<string>,
  found: number
): Evaluated => {
  const [first] = ids
  return {
    query,
    ndcg: ndcgAt10(ids, ratings),
    found,
    first: first === undefined ? null : { id: first, rating: ratings.get(first) ?? null }
  }
}

/** Sums queries up; the `losersMax` worst are named. */
export const summarise = (all: ReadonlyArray<Evaluated>, losersMax: number): Evaluation => {
  const scored = all.flatMap((one) => (one.ndcg === null ? [] : [{ ...one, ndcg: one.ndcg }]))
  const empty = all.filter(({ found }) => found === 0)
  return {
    ndcgAt10: scored.length === 0 ? null : scored.reduce((sum, { ndcg }) => sum + ndcg, 0) / scored.length,
    queriesJudged: all.length,
    queriesWithRelevant: scored.length,
    zeroResultRate: all.length === 0 ? 0 : empty.length / all.length,
    zeroResultQueries: empty.map(({ query }) => query),
    losers: scored
      .filter(({ ndcg }) => ndcg < 1)
      .toSorted((a, b) => a.ndcg - b.ndcg || (a.query < b.query ? -1 : 1))
      .slice(0, losersMax)
  }
}
