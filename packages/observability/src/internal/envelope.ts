/**
 * Envelopes of Sentry's SDKs: a header line, then items of a header line and a payload.
 *
 * Lines end in LF. A payload is as long as its header's `length`; without one it ends with its line. Only the header lines
 * are decoded here: a payload is bytes, and one that cannot be read is dropped alone.
 *
 * Source: https://develop.sentry.dev/sdk/data-model/envelopes/
 */

/** Header lines hold ids, times and a trace context. */
const headerBytesMax = 65_536

/** SDKs send one to a dozen. Past it, the envelope is broken. */
export const itemsMax = 1_000

export interface Item {
  readonly type: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Uint8Array
}

export interface Envelope {
  readonly header: Readonly<Record<string, unknown>>
  readonly items: ReadonlyArray<Item>
}

/** `empty` has no header line; `length` is past the end, or the payload does not end where it says. */
export type Broken = "empty" | "header" | "item-header" | "length" | "too-many-items"

const lineFeed = 10
const decoder = new TextDecoder()

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const jsonOf = (bytes: Uint8Array): unknown => parseJson(decoder.decode(bytes))

const headerOf = (bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  if (bytes.length > headerBytesMax) return undefined
  const value = jsonOf(bytes)
  return isRecord(value) ? value : undefined
}

const lineEnd = (bytes: Uint8Array, from: number): number => {
  const end = bytes.indexOf(lineFeed, from)
  return end < 0 ? bytes.length : end
}

export const parse = (bytes: Uint8Array): Envelope | Broken => {
  if (bytes.length === 0) return "empty"
  const headerEnd = lineEnd(bytes, 0)
  const header = headerOf(bytes.subarray(0, headerEnd))
  if (header === undefined) return "header"
  const items: Array<Item> = []
  let at = headerEnd + 1
  while (at < bytes.length) {
    // A trailing line end, and those that some clients put between items.
    if (bytes[at] === lineFeed) {
      at++
      continue
    }
    if (items.length >= itemsMax) return "too-many-items"
    const itemHeaderEnd = lineEnd(bytes, at)
    const itemHeader = headerOf(bytes.subarray(at, itemHeaderEnd))
    if (itemHeader === undefined) return "item-header"
    const start = Math.min(itemHeaderEnd + 1, bytes.length)
    const { length, type } = itemHeader
    if (typeof type !== "string") return "item-header"
    if (length === undefined || length === null) {
      const end = lineEnd(bytes, start)
      items.push({ type, header: itemHeader, payload: bytes.subarray(start, end) })
      at = end + 1
      continue
    }
    if (typeof length !== "number" || !Number.isInteger(length) || length < 0) return "length"
    const end = start + length
    if (end > bytes.length || (end < bytes.length && bytes[end] !== lineFeed)) return "length"
    items.push({ type, header: itemHeader, payload: bytes.subarray(start, end) })
    at = end + 1
  }
  return { header, items }
}
