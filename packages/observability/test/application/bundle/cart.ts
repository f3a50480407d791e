export interface Cart {
  readonly lines: number
}

/** Counts the lines of a cart. */
export function totalOf(cart: Cart | undefined): number {
  if (cart === undefined) throw new TypeError("The cart is gone")
  return cart.lines
}
