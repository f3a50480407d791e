import { totalOf } from "./cart.ts"

interface Order {
  readonly id: string
}

/** Closes the cart of an order. */
const closeCart = (order?: Order): number => {
  const cart = order === undefined ? undefined : { lines: order.id.length }
  return totalOf(cart) + 1
}

export class Till {
  async charge(): Promise<number> {
    await Promise.resolve()
    return closeCart()
  }
}
