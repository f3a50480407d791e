/**
 * The data of persons in limits and quotas. The ledger stays: a pseudonym takes the place of the subject.
 *
 * @since 0.1.0
 */
import * as SubjectTables from "@hypermarket/core/SubjectTables"

const { columns, nothing, rows } = SubjectTables

const find = { ids: ["subject"] }
const books = {
  set: { subject: "pseudonym" },
  reason: "amounts stay in the books, under a pseudonym"
} as const

/**
 * Finds, exports and erases a person in the tables of quotas.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  tables: [
    columns("hm_quota_ledger", find, books),
    columns("hm_tenant_quota", find, books),
    columns("hm_quota_delta", find, books),
    columns("hm_quota_reservation", find, books),
    rows("hm_quota_threshold", find),
    rows("hm_quota_burn", find),
    rows("hm_quota_grant", find),
    rows("hm_quota_key", { texts: ["key", "request"] }),
    rows("hm_api_rate_limit", { texts: ["bucket"] }),
    rows("hm_rate_store", { texts: ["key"] }),
    rows("hm_rate_override", { texts: ["bucket", "subject", "reason"] }),
    nothing("hm_quota_feature", "the catalogue of features"),
    nothing("hm_rate_denial", "counts by policy"),
    nothing("hm_rate_policy", "configuration of the tenant"),
    nothing("hm_rate_presence", "names of tables of the installation"),
    nothing("hm_rate_revision", "a counter")
  ]
})
