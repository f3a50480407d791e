/** Types that the generated operations use. */

/** Options of one call, the last argument of every operation. */
export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. The request may have been carried out. */
  readonly signal?: AbortSignal
  /**
   * Milliseconds over all attempts.
   *
   * @default 30_000
   */
  readonly timeout?: number
  /**
   * Makes it safe to send a request that creates something again. The client makes one per call when none is named here.
   * Name one that lasts longer than the process, such as an order's id, to repeat the call after a restart.
   */
  readonly idempotencyKey?: string
  /**
   * Sends the call again after a network error, 502, 503 or 504, although it may have been carried out. Set it
   * for a POST that only reads, such as a search, or that has the same effect twice, such as a write of documents.
   *
   * @default true for reads, changes of a version, publications and requests with an idempotency key
   */
  readonly repeatable?: boolean
}

/** Awaiting it returns the first page. Iterating it visits the items of all pages. It sends nothing before that. */
export interface Paged<Page extends { readonly items: ReadonlyArray<unknown> }>
  extends Promise<Page>, AsyncIterable<Page["items"][number]> {}

/** An event in the JSON format of CloudEvents 1.0.2. Its extension attributes are members of it. */
export interface CloudEvent {
  /** @default "1.0" */
  readonly specversion?: "1.0"
  /** Unique within its source: an event with the source and id of another is not published again. */
  readonly id: string
  /** @default "/" */
  readonly source?: string
  readonly type: string
  readonly subject?: string
  /** RFC 3339. The time of the publication when it is left out. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly data?: unknown
  readonly [extension: string]: unknown
}
