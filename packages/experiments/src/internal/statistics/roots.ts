/** Finds roots and integrates: the two numerical tools that the statistics need. */

/** Brent's method ends far earlier; past this many steps the interval is one unit in the last place. */
const stepsMax = 200

/**
 * Returns a root of `f` between `low` and `high`, where `f` changes sign; undefined where it does not.
 *
 * Source: R. P. Brent, Algorithms for Minimization without Derivatives (1973), chapter 4.
 */
export const root = (f: (x: number) => number, low: number, high: number): number | undefined => {
  let a = low
  let b = high
  let fa = f(a)
  let fb = f(b)
  if (fa === 0) return a
  if (fb === 0) return b
  if (!(fa * fb < 0)) return undefined
  let c = a
  let fc = fa
  let d = b - a
  let e = d
  for (let step = 0; step < stepsMax; step++) {
    if (fb * fc > 0) {
      c = a
      fc = fa
      d = b - a
      e = d
    }
    if (Math.abs(fc) < Math.abs(fb)) {
      a = b
      b = c
      c = a
      fa = fb
      fb = fc
      fc = fa
    }
    const tolerance = 2 * Number.EPSILON * Math.abs(b) + Number.MIN_VALUE
    const middle = (c - b) / 2
    if (Math.abs(middle) <= tolerance || fb === 0) return b
    if (Math.abs(e) >= tolerance && Math.abs(fa) > Math.abs(fb)) {
      const s = fb / fa
      let p: number
      let q: number
      if (a === c) {
        p = 2 * middle * s
        q = 1 - s
      } else {
        const r = fb / fc
        const t = fa / fc
        p = s * (2 * middle * t * (t - r) - (b - a) * (r - 1))
        q = (t - 1) * (r - 1) * (s - 1)
      }
      if (p > 0) q = -q
      else p = -p
      if (2 * p < Math.min(3 * middle * q - Math.abs(tolerance * q), Math.abs(e * q))) {
        e = d
        d = p / q
      } else {
        d = middle
        e = d
      }
    } else {
      d = middle
      e = d
    }
    a = b
    fa = fb
    b += Math.abs(d) > tolerance ? d : middle > 0 ? tolerance : -tolerance
    fb = f(b)
  }
  return b
}

export interface Node {
  readonly x: number
  readonly weight: number
}

/** Newton's method for a Legendre root doubles its digits per step: five reach the last one. */
const legendreSteps = 8

const legendreNodes = new Map<number, ReadonlyArray<Node>>()

/**
 * Returns the nodes and weights of Gauss-Legendre integration over [-1, 1].
 *
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 25.4.29.
 */
export const legendre = (count: number): ReadonlyArray<Node> => {
  const existing = legendreNodes.get(count)
  if (existing !== undefined) return existing
  const nodes = Array.from({ length: count }, (_, index): Node => {
    let x = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5))
    let derivative = 1
    for (let step = 0; step < legendreSteps; step++) {
      let previous = 1
      let current = x
      for (let degree = 2; degree <= count; degree++) {
        const next = ((2 * degree - 1) * x * current - (degree - 1) * previous) / degree
        previous = current
        current = next
      }
      derivative = (count * (x * current - previous)) / (x * x - 1)
      x -= current / derivative
    }
    return { x, weight: 2 / ((1 - x * x) * derivative * derivative) }
  })
  legendreNodes.set(count, nodes)
  return nodes
}
