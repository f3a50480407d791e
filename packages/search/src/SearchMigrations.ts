/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import manifest from "../package.json" with { type: "json" }
import searchIndex from "./migrations/0001_search_index.ts"
import userBehavior from "./migrations/0002_user_behavior.ts"
import searchCuration from "./migrations/0003_search_curation.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make(
  "search",
  {
    "0001_search_index": searchIndex,
    "0002_user_behavior": userBehavior,
    "0003_search_curation": searchCuration
  },
  { release: manifest.version }
)
