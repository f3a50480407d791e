/** The budget of one rendering. liquidjs counts milliseconds, which bound nothing on a busy machine: steps are counted. */
import type { Context, Emitter } from "liquidjs"

/** Steps of tags, outputs, loops and filters: a confirmation with 500 lines needs some 10,000. */
const stepsMax = 100_000
/** Elements of an array that a loop or filter may see. */
export const arrayMax = 10_000
/** Characters of the output, and of each text that is kept on the way. */
const outputMax = 1_048_576
/** Characters of text per step of a filter. */
const charactersPerStep = 64

/** The rendering needs more than it may. */
export class BudgetExceeded extends Error {}

const used = new WeakMap<Context, { steps: number }>()

export const charge = (context: Context, steps: number): void => {
  const budget = used.get(context) ?? { steps: 0 }
  budget.steps += steps
  used.set(context, budget)
  if (budget.steps > stepsMax) throw new BudgetExceeded(`Expected at most ${stepsMax} steps`)
}

/** Charges for a value that a filter reads or makes, and refuses one that is too large. */
export const chargeValue = (context: Context, value: unknown, weight: number): void => {
  if (typeof value === "string") {
    if (value.length > outputMax) throw new BudgetExceeded(`Expected text of at most ${outputMax} characters`)
    charge(context, 1 + Math.ceil(value.length / charactersPerStep))
  } else if (Array.isArray(value)) {
    if (value.length > arrayMax) throw new BudgetExceeded(`Expected at most ${arrayMax} elements`)
    charge(context, 1 + value.length * weight)
  } else charge(context, 1)
}

/** Collects output up to {@link outputMax}. */
export class BoundedEmitter implements Emitter {
  buffer = ""
  write(value: unknown): void {
    this.buffer += typeof value === "string" ? value : String(value ?? "")
    if (this.buffer.length > outputMax)
      throw new BudgetExceeded(`Expected at most ${outputMax} characters of output`)
  }
}
