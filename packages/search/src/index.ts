/**
 * @since 0.1.0
 */
export type { SearchAnswer, SearchRequest } from "./internal/engine/SearchRequest.ts"
