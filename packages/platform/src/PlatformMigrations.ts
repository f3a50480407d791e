/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import tenant from "./migrations/0001_tenant.ts"
import apiKey from "./migrations/0002_api_key.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make("platform", {
  "0001_tenant": tenant,
  "0002_api_key": apiKey
})
