/** The branding as templates see it. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"

/** Each value is there, so that a strict template can ask for it: null where the tenant has set none. */
export interface Brand {
  readonly name: string | null
  readonly logoUrl: string | null
  readonly websiteUrl: string | null
  readonly primaryColor: string | null
  readonly secondaryColor: string | null
  readonly postalAddress: string | null
  readonly footer: string | null
  readonly supportEmail: string | null
}

export const none: Brand = {
  name: null,
  logoUrl: null,
  websiteUrl: null,
  primaryColor: null,
  secondaryColor: null,
  postalAddress: null,
  footer: null,
  supportEmail: null
}

/** For trying a layout out. */
export const sample: Brand = {
  name: "Example",
  logoUrl: "https://shop.example/logo.png",
  websiteUrl: "https://shop.example/",
  primaryColor: "#336699",
  secondaryColor: "#eeeeee",
  postalAddress: "1 Example Street\n12345 Example",
  footer: "Example",
  supportEmail: "help@shop.example"
}

export const columns = `name, logo_url AS "logoUrl", website_url AS "websiteUrl", primary_color AS "primaryColor",
       secondary_color AS "secondaryColor", postal_address AS "postalAddress", footer, support_email AS "supportEmail"`

export const read = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, tenant: string) {
  const [row] = yield* sql<Brand>`
    SELECT ${sql.literal(columns)}
      FROM hm_notification_branding
     WHERE tenant_id = ${tenant}
  `
  return row ?? none
})
