/** The domains whose own events a subscription or a webhook endpoint may get. */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Schema from "effect/Schema"

export type DomainName = (typeof Reserved.domainNames)[number]

export const DomainNames = Schema.Array(Schema.Literals(Reserved.domainNames))

/** Returns the domains that a key with the scopes may read. */
export const readsOf = (scopes: ReadonlySet<string>): ReadonlyArray<DomainName> =>
  Reserved.domainNames.filter((domain) => AccessScope.includes(scopes, `${domain}:read`))
