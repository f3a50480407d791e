/**
 * Postings as bytes. A term's postings are blocks of up to 128, in ascending order of ordinals:
 *
 * ```
 * u8 postings - 1 | u8 highest impact | u16 bytes of gaps | u32 last ordinal | gaps - 1, as varints | u8 impact, each
 * ```
 *
 * The first gap counts from the last ordinal of the block before, or from -1. Little endian. Blocks are packed into
 * chunks, each a row; the same bytes one after another are the term's list in memory. About 3 bytes a posting.
 */

export const postingsPerBlock = 128
/** A row's chunk stays below a page's 8 kB together with its key, and so out of TOAST. */
export const chunkBytesMax = 7_600
export const headerBytes = 8
const varintBytesMax = 5

export interface PostingChunk {
  readonly term: string
  readonly chunk: number
  /** Documents with the term, in all chunks. */
  readonly df: number
  readonly maxImpact: number
  readonly firstOrdinal: number
  readonly lastOrdinal: number
  readonly data: Uint8Array
}

/** Part of a term's list: `data` from `start` to `end`. */
export interface Span {
  readonly data: Uint8Array
  readonly start: number
  readonly end: number
}

export interface PostingList {
  readonly df: number
  readonly spans: ReadonlyArray<Span>
}

/** Writes the chunks of one term after another. */
export class ChunkWriter {
  private readonly bytes = new Uint8Array(
    chunkBytesMax + headerBytes + postingsPerBlock * (varintBytesMax + 1)
  )
  private readonly gaps = new Uint8Array(postingsPerBlock * varintBytesMax)
  private readonly impacts = new Uint8Array(postingsPerBlock)
  private chunks: Array<Omit<PostingChunk, "term" | "df">> = []
  private size = 0
  private gapBytes = 0
  private count = 0
  private last = -1
  private df = 0
  private blockFirst = 0
  private chunkFirst = 0
  private chunkLast = 0
  private blockMax = 0
  private chunkMax = 0

  add(ordinal: number, impact: number): void {
    if (this.count === postingsPerBlock) this.endBlock()
    if (this.count === 0) this.blockFirst = ordinal
    let gap = ordinal - this.last - 1
    while (gap > 127) {
      this.gaps[this.gapBytes++] = (gap & 127) | 128
      gap >>>= 7
    }
    this.gaps[this.gapBytes++] = gap
    this.impacts[this.count++] = impact
    if (impact > this.blockMax) this.blockMax = impact
    this.last = ordinal
    this.df++
  }

  end(term: string): ReadonlyArray<PostingChunk> {
    if (this.count > 0) this.endBlock()
    if (this.size > 0) this.endChunk()
    const chunks = this.chunks.map((chunk) => ({ term, df: this.df, ...chunk }))
    this.chunks = []
    this.last = -1
    this.df = 0
    return chunks
  }

  private endBlock(): void {
    const blockBytes = headerBytes + this.gapBytes + this.count
    if (this.size + blockBytes > chunkBytesMax) this.endChunk()
    if (this.size === 0) this.chunkFirst = this.blockFirst
    const at = this.size
    this.bytes[at] = this.count - 1
    this.bytes[at + 1] = this.blockMax
    this.bytes[at + 2] = this.gapBytes & 255
    this.bytes[at + 3] = this.gapBytes >>> 8
    this.bytes[at + 4] = this.last & 255
    this.bytes[at + 5] = (this.last >>> 8) & 255
    this.bytes[at + 6] = (this.last >>> 16) & 255
    this.bytes[at + 7] = this.last >>> 24
    this.bytes.set(this.gaps.subarray(0, this.gapBytes), at + headerBytes)
    this.bytes.set(this.impacts.subarray(0, this.count), at + headerBytes + this.gapBytes)
    this.size += blockBytes
    this.chunkLast = this.last
    this.chunkMax = Math.max(this.chunkMax, this.blockMax)
    this.count = 0
    this.gapBytes = 0
    this.blockMax = 0
  }

  private endChunk(): void {
    this.chunks.push({
      chunk: this.chunks.length,
      maxImpact: this.chunkMax,
      firstOrdinal: this.chunkFirst,
      lastOrdinal: this.chunkLast,
      data: this.bytes.slice(0, this.size)
    })
    this.size = 0
    this.chunkMax = 0
  }
}

/** Decodes all of a list. The executor has its own loop, which allocates nothing. */
export const decode = (
  list: PostingList
): { readonly ordinals: Uint32Array; readonly impacts: Uint8Array } => {
  const ordinals = new Uint32Array(list.df)
  const impacts = new Uint8Array(list.df)
  let ordinal = -1
  let size = 0
  for (const { data, end, start } of list.spans) {
    let at = start
    while (at < end) {
      const count = (data[at] ?? 0) + 1
      let gapAt = at + headerBytes
      const impactAt = gapAt + ((data[at + 2] ?? 0) | ((data[at + 3] ?? 0) << 8))
      impacts.set(data.subarray(impactAt, impactAt + count), size)
      while (gapAt < impactAt) {
        let byte = data[gapAt++] ?? 0
        let gap = byte & 127
        for (let shift = 7; byte > 127; shift += 7) {
          byte = data[gapAt++] ?? 0
          gap |= (byte & 127) << shift
        }
        ordinal += gap + 1
        ordinals[size++] = ordinal
      }
      at = impactAt + count
    }
  }
  return { ordinals, impacts }
}

/** The impact of one document, 0 when the list does not have it. Passes over blocks by their last ordinal. */
export const impactOf = (list: PostingList, wanted: number): number => {
  let before = -1
  for (const { data, end, start } of list.spans) {
    let at = start
    while (at < end) {
      const count = (data[at] ?? 0) + 1
      const impactAt = at + headerBytes + ((data[at + 2] ?? 0) | ((data[at + 3] ?? 0) << 8))
      const next = impactAt + count
      const last =
        (data[at + 4] ?? 0) |
        ((data[at + 5] ?? 0) << 8) |
        ((data[at + 6] ?? 0) << 16) |
        ((data[at + 7] ?? 0) << 24)
      if (last >= wanted) {
        const block = { df: count, spans: [{ data, start: at, end: next }] }
        const n = decode(block).ordinals.indexOf(wanted - before - 1)
        return n === -1 ? 0 : (data[impactAt + n] ?? 0)
      }
      before = last
      at = next
    }
  }
  return 0
}
