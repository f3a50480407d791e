/**
 * Distinct: of the documents with the same value in a keyword column only the first few are shown. Of several values the
 * first counts. A document without a value is a group by itself.
 */
import type { Columns, KeywordColumn } from "./Columns.ts"
import type { DeltaDocument } from "./Delta.ts"
import { type Candidate, FirstOf } from "./Ranking.ts"
import type { Distinct } from "./SearchRequest.ts"

export class Groups {
  private readonly distinct: Distinct
  private readonly column: KeywordColumn | undefined

  constructor(distinct: Distinct, columns: Columns) {
    const column = columns.get(distinct.column)
    this.distinct = distinct
    this.column = column?.kind === "keyword" ? column : undefined
  }

  ofOrdinal(ordinal: number): string | undefined {
    return this.column?.dictionary[this.numberOf(ordinal) - 1]
  }

  ofDocument({ keywords }: DeltaDocument): string | undefined {
    return keywords[this.distinct.column]?.[0]
  }

  /** The first of each group, and of these the first `capacity`. */
  first(
    selected: Uint32Array,
    capacity: number,
    compare: (a: number, b: number) => number
  ): ReadonlyArray<number> {
    const first = new FirstOf(capacity, compare)
    const heads = new Map<number, Array<number>>()
    for (const ordinal of selected) {
      const group = this.numberOf(ordinal)
      const head = heads.get(group)
      if (group === 0) first.offer(ordinal)
      else if (head === undefined) heads.set(group, [ordinal])
      else this.insert(head, ordinal, compare)
    }
    for (const head of heads.values()) for (const ordinal of head) first.offer(ordinal)
    return first.sorted()
  }

  /** The candidates of an order without those that their group has no room for. `shown` are shown in any case. */
  limit(candidates: ReadonlyArray<Candidate>, shown: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> {
    const counts = this.countsOf(shown.map(({ group }) => group))
    return candidates.filter(({ group }) => {
      if (group === undefined) return true
      const count = (counts.get(group) ?? 0) + 1
      counts.set(group, count)
      return count <= this.distinct.limit
    })
  }

  /** The number of documents that {@link limit} leaves of all that are found. */
  count(
    selected: Uint32Array,
    changed: ReadonlyArray<DeltaDocument>,
    shown: ReadonlyArray<Candidate>
  ): number {
    const dictionary = this.column?.dictionary ?? []
    const counts = new Uint32Array(dictionary.length + 1)
    for (const ordinal of selected) {
      const group = this.numberOf(ordinal)
      counts[group] = (counts[group] ?? 0) + 1
    }
    const groups = changed.map((document) => this.ofDocument(document))
    const changes = this.countsOf(groups)
    const taken = this.countsOf(shown.map(({ group }) => group))
    const room = (group: string) => Math.max(0, this.distinct.limit - (taken.get(group) ?? 0))
    let total = (counts[0] ?? 0) + groups.filter((group) => group === undefined).length
    for (let number = 1; number < counts.length; number++) {
      const group = dictionary[number - 1] ?? ""
      total += Math.min(room(group), (counts[number] ?? 0) + (changes.get(group) ?? 0))
      changes.delete(group)
    }
    for (const [group, count] of changes) total += Math.min(room(group), count)
    return total
  }

  /** Of a group's value + 1; 0 for none. */
  private numberOf(ordinal: number): number {
    if (this.column === undefined) return 0
    const { starts, values } = this.column
    if (starts === undefined) return values[ordinal] ?? 0
    const at = starts[ordinal] ?? 0
    return at === starts[ordinal + 1] ? 0 : (values[at] ?? 0)
  }

  private insert(head: Array<number>, ordinal: number, compare: (a: number, b: number) => number): void {
    let at = head.length
    while (at > 0 && compare(ordinal, head[at - 1] ?? 0) < 0) at--
    if (at >= this.distinct.limit) return
    head.splice(at, 0, ordinal)
    if (head.length > this.distinct.limit) head.pop()
  }

  private countsOf(groups: ReadonlyArray<string | undefined>): Map<string, number> {
    const counts = new Map<string, number>()
    for (const group of groups) if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1)
    return counts
  }
}
