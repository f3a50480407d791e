/**
 * One domain's part of the quickstart: its data in, and what to show. A domain adds one file under `parts/` and one
 * line in `parts.ts`.
 */
import type * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type * as Schema from "effect/Schema"
import type { CommandFailed } from "../CommandFailed.ts"
import type { Progress } from "./Progress.ts"

/** Where the running installation is, and a key for it. */
export interface Installation {
  readonly apiUrl: string
  readonly databaseUrl: string
  readonly tenantId: string
  readonly apiKey: string
}

export interface Shown {
  /** Figures for `--json`, under the domain's name. */
  readonly figures: Readonly<Record<string, Schema.Json>>
  /** Lines for people. */
  readonly lines: ReadonlyArray<string>
  /** Commands to try next; each works when pasted. */
  readonly next: ReadonlyArray<string>
}

export interface Part {
  readonly domain: string
  readonly title: string
  /** Goes through the public API, as a client would; running it again changes no figure. */
  readonly run: (
    installation: Installation
  ) => Effect.Effect<Shown, CommandFailed | HttpClientError | Schema.SchemaError, HttpClient | Progress>
}
