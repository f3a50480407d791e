/**
 * One domain's part of the quickstart: its data in, and what to show. A domain adds one file under `parts/` and one
 * line in `parts.ts`.
 */
import type * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { CommandFailed } from "../CommandFailed.ts"
import type { Superstore } from "../superstore/Superstore.ts"
import type { Progress } from "./Progress.ts"
import type { Replayed } from "./Replay.ts"
import type { WebhookReceiver } from "./WebhookReceiver.ts"

/** Where the running installation is, and a key for it. */
export interface Installation {
  readonly apiUrl: string
  readonly databaseUrl: string
  readonly tenantId: string
  readonly apiKey: string
  /** A second tenant, which imports what is old. */
  readonly importer: { readonly tenantId: string; readonly apiKey: string }
  /** A receiver of webhooks on this machine. */
  readonly receiver: WebhookReceiver
  /** Of what is planted in the sample's data. */
  readonly seed: number
}

export interface Shown {
  /** Figures for `--json`, under the domain's name. */
  readonly figures: Readonly<Record<string, Schema.Json>>
  /** Lines of the screen: at most 100 characters each, the most telling figures. */
  readonly screen: ReadonlyArray<string>
  /** Lines of the report, for people. */
  readonly lines: ReadonlyArray<string>
  /** Commands of the report; each works when pasted where `HM_API_URL` and `HM_API_KEY` are set. */
  readonly next: ReadonlyArray<string>
}

type Work<A> = Effect.Effect<
  A,
  CommandFailed | HttpClientError | Schema.SchemaError | SqlError,
  HttpClient | Progress | SqlClient
>

export interface Part {
  readonly domain: string
  readonly title: string
  /** Makes what must exist before the shop's history is replayed. */
  readonly before?: (installation: Installation, shop: Superstore) => Work<void>
  /**
   * Returns what to show, when all facts are handled. It asks through the public API, as a client would; tables of the shop's own
   * it may read. Running it again changes no figure.
   */
  readonly run: (installation: Installation, replayed: Replayed) => Work<Shown>
}
