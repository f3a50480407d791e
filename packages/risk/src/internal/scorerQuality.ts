/** Figures of a scorer on samples that it was not trained on. */

export interface Part {
  readonly samples: number
  readonly bad: number
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

/** Samples of about one probability: what was predicted, and the share that was bad. */
export interface Bin {
  readonly samples: number
  readonly predicted: number
  readonly observed: number
}

export interface Quality {
  /** The probability that a bad sample has the higher score of a bad and a good one. */
  readonly auc: number
  /** The mean squared error of the probability. */
  readonly brier: number
  /** That of the same probability for all. */
  readonly brierOfShare: number
  /** The share of bad ones above the score that one percent of the good ones reach. */
  readonly recallAtOnePercent: number
  /** The bad ones among the 100 highest scores, or among all where there are fewer. */
  readonly precisionAt100: number
  readonly bins: ReadonlyArray<Bin>
}

const binsMax = 10

export const partOf = (
  samples: ReadonlyArray<{ readonly at: number }>,
  bad: ReadonlyArray<boolean>
): Part => ({
  samples: samples.length,
  bad: bad.filter(Boolean).length,
  from: samples[0]?.at ?? 0,
  to: samples.at(-1)?.at ?? 0
})

/** By ranks, those of equal scores shared. */
const aucOf = (sorted: ReadonlyArray<Scored>): number => {
  let ranks = 0
  let start = 0
  while (start < sorted.length) {
    let end = start
    while (end < sorted.length && sorted[end]?.probability === sorted[start]?.probability) end++
    const rank = (start + 1 + end) / 2
    for (let place = start; place < end; place++) if (sorted[place]?.isBad === true) ranks += rank
    start = end
  }
  const bad = sorted.filter(({ isBad }) => isBad).length
  return (ranks - (bad * (bad + 1)) / 2) / (bad * (sorted.length - bad))
}

interface Scored {
  readonly probability: number
  readonly isBad: boolean
}

const shareOf = (scored: ReadonlyArray<Scored>): number =>
  scored.filter(({ isBad }) => isBad).length / scored.length

const meanOf = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Bins of as many samples each. */
const binsOf = (sorted: ReadonlyArray<Scored>): ReadonlyArray<Bin> =>
  Array.from({ length: binsMax }, (_, index) =>
    sorted.slice(
      Math.floor((index * sorted.length) / binsMax),
      Math.floor(((index + 1) * sorted.length) / binsMax)
    )
  )
    .filter((bin) => bin.length > 0)
    .map((bin) => ({
      samples: bin.length,
      predicted: meanOf(bin.map(({ probability }) => probability)),
      observed: shareOf(bin)
    }))

/** The caller has samples of both kinds. */
export const of = (probabilities: ReadonlyArray<number>, bad: ReadonlyArray<boolean>): Quality => {
  const sorted = probabilities
    .map((probability, index): Scored => ({ probability, isBad: bad[index] === true }))
    .toSorted((left, right) => left.probability - right.probability)
  const good = sorted.filter(({ isBad }) => !isBad)
  const limit = good[good.length - 1 - Math.floor(good.length / 100)]?.probability ?? 1
  const found = sorted.filter(({ isBad, probability }) => isBad && probability > limit).length
  const share = shareOf(sorted)
  return {
    auc: aucOf(sorted),
    brier: meanOf(sorted.map(({ isBad, probability }) => (probability - (isBad ? 1 : 0)) ** 2)),
    brierOfShare: share * (1 - share),
    recallAtOnePercent: found / (sorted.length - good.length),
    precisionAt100: shareOf(sorted.slice(-100)),
    bins: binsOf(sorted)
  }
}
