/** The answer of the API to a request that it did not fulfil: a problem document (RFC 9457), or none at all. */

export interface FieldError {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

interface Fields {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string | null
  readonly requestId: string | null
  readonly retryAfterSeconds: number | null
  readonly errors: ReadonlyArray<FieldError>
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)

const errorOf = (value: unknown): ReadonlyArray<FieldError> =>
  isObject(value) && Array.isArray(value["path"]) && typeof value["message"] === "string"
    ? [{ path: value["path"].map(String), message: value["message"] }]
    : []

export class Problem extends Error {
  readonly fields: Fields

  constructor(fields: Fields) {
    super(fields.title)
    this.name = "Problem"
    this.fields = fields
  }

  get status(): number {
    return this.fields.status
  }

  /** True when the request may succeed if it is sent again: the API was unreachable or busy. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503
  }

  /** The request reached no API. */
  static unreachable(): Problem {
    return new Problem({
      status: 0,
      type: "about:blank",
      title: "The API cannot be reached",
      detail: "The network or the server is down. What is shown may be old.",
      requestId: null,
      retryAfterSeconds: null,
      errors: []
    })
  }

  /** A defect of the console itself. */
  static unexpected(error: unknown): Problem {
    return new Problem({
      status: 0,
      type: "about:blank",
      title: "The console failed",
      detail: error instanceof Error ? error.message : String(error),
      requestId: null,
      retryAfterSeconds: null,
      errors: []
    })
  }

  static fromResponse(response: Response, body: unknown): Problem {
    const document = isObject(body) ? body : {}
    const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN)
    return new Problem({
      status: response.status,
      type: textOf(document["type"]) ?? "about:blank",
      title: textOf(document["title"]) ?? `The API answered ${response.status}`,
      detail: textOf(document["detail"]),
      requestId: response.headers.get("x-request-id"),
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
      errors: Array.isArray(document["errors"]) ? document["errors"].flatMap(errorOf) : []
    })
  }
}
