/** The graph of prerequisites: its cycles, and how many evaluations a flag costs. */

/** Each flag with the flags that it needs. */
export type Graph = ReadonlyMap<string, ReadonlyArray<string>>

/** Evaluations that one flag may cause. A diamond counts twice, because nothing is kept between prerequisites. */
export const evaluationsMax = 1_000

/** The shortest way from a flag back to itself, both ends included; undefined when there is none. */
const cycleThrough = (graph: Graph, start: string): ReadonlyArray<string> | undefined => {
  const cameFrom = new Map<string, string>()
  let level: ReadonlyArray<string> = [start]
  while (level.length > 0) {
    const next: Array<string> = []
    for (const key of level) {
      for (const needed of graph.get(key) ?? []) {
        if (needed === start) {
          const way = [start]
          for (let at: string | undefined = key; at !== undefined; at = cameFrom.get(at)) way.unshift(at)
          return way
        }
        if (cameFrom.has(needed)) continue
        cameFrom.set(needed, key)
        next.push(needed)
      }
    }
    level = next
  }
  return undefined
}

/** Each flag of a cycle, with the cycle from that flag back to it. */
export const cyclesOf = (graph: Graph): ReadonlyMap<string, ReadonlyArray<string>> => {
  const cycles = new Map<string, ReadonlyArray<string>>()
  for (const [key, needed] of graph) {
    const cycle = needed.length === 0 ? undefined : cycleThrough(graph, key)
    if (cycle !== undefined) cycles.set(key, cycle)
  }
  return cycles
}

/** Evaluations per flag, its own included. Flags of a cycle count as one: they err at once. */
export const costsOf = (graph: Graph, cycles: ReadonlyMap<string, unknown>): ReadonlyMap<string, number> => {
  const costs = new Map<string, number>()
  for (const start of graph.keys()) {
    const waiting = [start]
    for (let key = waiting.at(-1); key !== undefined; key = waiting.at(-1)) {
      const needed = cycles.has(key) ? [] : (graph.get(key) ?? [])
      const open = costs.has(key) ? [] : needed.filter((next) => !costs.has(next))
      if (open.length > 0) {
        waiting.push(...open)
        continue
      }
      waiting.pop()
      if (costs.has(key)) continue
      let cost = 1
      for (const next of needed) cost += costs.get(next) ?? 1
      costs.set(key, cost)
    }
  }
  return costs
}
