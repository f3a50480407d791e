/** Places in a template, as its author counts them. */

export interface TemplateFault {
  readonly line: number
  readonly column: number
  readonly message: string
}

/** Returns line and column of an offset. Both begin at 1. */
export const placeAt = (
  source: string,
  offset: number
): { readonly line: number; readonly column: number } => {
  const before = source.slice(0, offset)
  const lineStart = before.lastIndexOf("\n") + 1
  return { line: before.split("\n").length, column: offset - lineStart + 1 }
}
