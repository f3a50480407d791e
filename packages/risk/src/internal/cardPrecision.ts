/** Card precision: how many of the cards that a person would look at on a day were bad. */
import { Outcome } from "../RiskRuleSet.ts"
import type { Verdict } from "./ruleEngine.ts"

/** Cards per day: what a team looks at. */
const cardsMax = 100

const dayMillis = 86_400_000

interface Card {
  readonly rank: readonly [number, number, number]
  readonly isBad: boolean
}

const rankOf = ({ outcome, score, scored }: Verdict): Card["rank"] => [
  Outcome.literals.indexOf(outcome),
  score,
  scored?.probability ?? 0
]

const compare = (left: Card["rank"], right: Card["rank"]): number =>
  right[0] - left[0] || right[1] - left[1] || right[2] - left[2]

/** Collects labelled decisions. A card has the gravest of its decisions of a day, and is bad when one of them was. */
export const make = () => {
  const days = new Map<number, Map<string, Card>>()
  return {
    add: (card: string, recordedAt: Date, verdict: Verdict, isBad: boolean): void => {
      const day = Math.floor(recordedAt.getTime() / dayMillis)
      const cards = days.get(day) ?? new Map<string, Card>()
      days.set(day, cards)
      const existing = cards.get(card)
      const rank = rankOf(verdict)
      cards.set(card, {
        rank: existing !== undefined && compare(existing.rank, rank) < 0 ? existing.rank : rank,
        isBad: isBad || existing?.isBad === true
      })
    },
    /** The mean over days; null without labelled cards. Of equal cards on the border of the 100 each counts by its share. */
    value: (): number | null => {
      const shares = Array.from(days.values(), (cards) => {
        const sorted = Array.from(cards.values()).toSorted((left, right) => compare(left.rank, right.rank))
        const border = sorted[Math.min(cardsMax, sorted.length) - 1]
        if (border === undefined) return 0
        const above = sorted.filter(({ rank }) => compare(rank, border.rank) < 0)
        const equal = sorted.filter(({ rank }) => compare(rank, border.rank) === 0)
        const places = Math.min(cardsMax, sorted.length)
        const bad = (list: ReadonlyArray<Card>) => list.filter(({ isBad }) => isBad).length
        return (bad(above) + (bad(equal) * (places - above.length)) / equal.length) / places
      })
      return shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / shares.length
    }
  }
}
