/**
 * The HTTP API of Hypermarket as functions: {@link createClient}.
 *
 * @since 0.1.0
 */
export { type Client, type ClientOptions, createClient } from "./internal/client.ts"
export type { CallOptions, CloudEvent, Paged } from "./internal/call.ts"
export { HypermarketError, type OtherProblem, type Problem } from "./internal/error.ts"
export type * from "./internal/operations.ts"
