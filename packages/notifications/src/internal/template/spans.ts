/** Texts between marks, such as comments and tags of Liquid, found in time that grows with the length of the source. */

export interface Span {
  readonly index: number
  readonly text: string
}

export type Marks = readonly [opening: string, closing: string]

export const outputs: Marks = ["{{", "}}"]
export const tags: Marks = ["{%", "%}"]
export const comments: Marks = ["<!--", "-->"]

/** Returns the spans of each kind, marks included. One within another is a part of it; one that does not end is none. */
export const find = (source: string, kinds: ReadonlyArray<Marks>): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  let open = kinds.map((marks) => ({ marks, index: source.indexOf(marks[0]) }))
  for (;;) {
    open = open.filter(({ index }) => index >= 0)
    const [first, ...others] = open
    if (first === undefined) return spans
    const { index, marks } = others.reduce((a, b) => (b.index < a.index ? b : a), first)
    const [opening, closing] = marks
    const closed = source.indexOf(closing, index + opening.length)
    if (closed < 0) {
      // Nor does a later one of this kind.
      open = open.filter((kind) => kind.marks !== marks)
      continue
    }
    const end = closed + closing.length
    spans.push({ index, text: source.slice(index, end) })
    for (const kind of open) {
      if (kind.index < end) kind.index = source.indexOf(kind.marks[0], end)
    }
  }
}
