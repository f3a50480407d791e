/** Logistic regression with a ridge, by Newton's method (iteratively reweighted least squares). Deterministic. */
import { logistic } from "../RiskScorer.ts"

/** Keeps weights finite where an input separates bad from good, and shares weight among inputs that go together. */
const ridge = 1

/** Newton's method doubles the correct digits per step: more steps mean that it does not converge. */
const iterationsMax = 50

/** Weights that change by less are those of the next step. */
const tolerance = 1e-8

/** Of the weights of samples whose probability is 0 or 1 in floating point. */
const curvatureMin = 1e-10

/** As {@link RiskScorer}'s bounds. */
const weightMax = 1_000

/** Fewer bad or good samples than this say nothing about the calibration: the sum stays as it is. */
const calibrationMin = 10

export interface Fit {
  readonly intercept: number
  readonly weights: ReadonlyArray<number>
  readonly iterations: number
}

export const sumOf = ({ intercept, weights }: Omit<Fit, "iterations">, row: ArrayLike<number>): number =>
  weights.reduce((sum, weight, place) => sum + weight * (row[place] ?? 0), intercept)

/** Solves a positive definite system by Cholesky's decomposition, in place. */
const solve = (matrix: ReadonlyArray<Float64Array>, right: Float64Array): Float64Array => {
  const size = right.length
  const at = (row: number, column: number) => matrix[row]?.[column] ?? 0
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = at(row, column)
      for (let k = 0; k < column; k++) sum -= at(row, k) * at(column, k)
      const target = matrix[row]
      if (target !== undefined) target[column] = row === column ? Math.sqrt(sum) : sum / at(column, column)
    }
  }
  const result = Float64Array.from(right)
  for (let row = 0; row < size; row++) {
    let sum = result[row] ?? 0
    for (let k = 0; k < row; k++) sum -= at(row, k) * (result[k] ?? 0)
    result[row] = sum / at(row, row)
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = result[row] ?? 0
    for (let k = row + 1; k < size; k++) sum -= at(k, row) * (result[k] ?? 0)
    result[row] = sum / at(row, row)
  }
  return result
}

/** Fits weights to standardised rows. The intercept is not shrunk. */
export const fit = (
  rows: ReadonlyArray<Float64Array>,
  bad: ReadonlyArray<boolean>,
  onStep: (iteration: number) => void = () => {}
): Fit => {
  const inputs = rows[0]?.length ?? 0
  const size = inputs + 1
  // The last place is the intercept's.
  const weights = new Float64Array(size)
  let iterations = 0
  while (iterations < iterationsMax) {
    iterations++
    const gradient = new Float64Array(size)
    const curvature = Array.from({ length: size }, () => new Float64Array(size))
    for (const [index, row] of rows.entries()) {
      let sum = weights[inputs] ?? 0
      for (let place = 0; place < inputs; place++) sum += (weights[place] ?? 0) * (row[place] ?? 0)
      const probability = logistic(sum)
      const error = (bad[index] === true ? 1 : 0) - probability
      const weight = Math.max(probability * (1 - probability), curvatureMin)
      for (let place = 0; place < size; place++) {
        const value = place === inputs ? 1 : (row[place] ?? 0)
        gradient[place] = (gradient[place] ?? 0) + error * value
        const line = curvature[place]
        if (line === undefined) continue
        for (let other = 0; other <= place; other++) {
          line[other] = (line[other] ?? 0) + weight * value * (other === inputs ? 1 : (row[other] ?? 0))
        }
      }
    }
    for (let place = 0; place < inputs; place++) {
      gradient[place] = (gradient[place] ?? 0) - ridge * (weights[place] ?? 0)
      const line = curvature[place]
      if (line !== undefined) line[place] = (line[place] ?? 0) + ridge
    }
    const step = solve(curvature, gradient)
    let largest = 0
    for (let place = 0; place < size; place++) {
      const next = (weights[place] ?? 0) + (step[place] ?? 0)
      weights[place] = Math.max(-weightMax, Math.min(weightMax, next))
      largest = Math.max(largest, Math.abs(step[place] ?? 0))
    }
    onStep(iterations)
    if (largest < tolerance) break
  }
  return { intercept: weights[inputs] ?? 0, weights: Array.from(weights.subarray(0, inputs)), iterations }
}

/** Platt's calibration: a logistic regression on the sum alone. */
export const calibrate = (
  sums: ReadonlyArray<number>,
  bad: ReadonlyArray<boolean>
): { readonly slope: number; readonly offset: number } => {
  const count = bad.filter(Boolean).length
  if (count < calibrationMin || bad.length - count < calibrationMin) return { slope: 1, offset: 0 }
  const { intercept, weights } = fit(
    sums.map((sum) => Float64Array.of(sum)),
    bad
  )
  const [slope = 1] = weights
  // Samples that contradict all before them calibrate nothing.
  return slope > 0 ? { slope, offset: intercept } : { slope: 1, offset: 0 }
}
