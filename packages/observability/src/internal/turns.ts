/**
 * A queue in which tenants take turns: one that has a thousand items waits longer, and the others do not.
 */
export interface Turns<A> {
  readonly add: (tenantId: string, item: A) => void
  /** Removes and returns the next item that may begin. */
  readonly next: (mayBegin: (item: A) => boolean) => A | undefined
  /** Removes and returns all items. */
  readonly drain: () => ReadonlyArray<A>
}

export const make = <A>(): Turns<A> => {
  /** In the order of their turns. */
  const lines = new Map<string, Array<A>>()
  return {
    add: (tenantId, item) => {
      const line = lines.get(tenantId)
      if (line === undefined) lines.set(tenantId, [item])
      else line.push(item)
    },
    next: (mayBegin) => {
      for (const [tenantId, line] of lines) {
        const [item] = line
        if (item === undefined || !mayBegin(item)) continue
        line.shift()
        lines.delete(tenantId)
        if (line.length > 0) lines.set(tenantId, line)
        return item
      }
      return undefined
    },
    drain: () => {
      const items = Array.from(lines.values()).flat()
      lines.clear()
      return items
    }
  }
}
