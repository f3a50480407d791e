/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import searchIndex from "./migrations/0001_search_index.ts"
import userBehavior from "./migrations/0002_user_behavior.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make("search", {
  "0001_search_index": searchIndex,
  "0002_user_behavior": userBehavior
})
