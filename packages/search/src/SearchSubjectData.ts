/**
 * The data of persons in search: behaviour is deleted, and popularity stays.
 *
 * @since 0.1.0
 */
import * as SubjectTables from "@hypermarket/core/SubjectTables"

const { nothing, rows } = SubjectTables

const user = { ids: ["user_key"] }

/**
 * Finds, exports and erases a person in the tables of search.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  tables: [
    rows("hm_user_behavior_signal", user),
    rows("hm_user_behavior_signal_key", { texts: ["key"] }),
    rows("hm_browse_history", { ...user, indexed: true }),
    rows("hm_search_user_allowance", user),
    rows("hm_search_query", { texts: ["query"] }),
    nothing("hm_product_popularity_signal", "sums by product"),
    nothing("hm_ranking_signal", "values by product"),
    nothing("hm_search_popularity_pending", "sums by product"),
    nothing("hm_search_change", "products of the catalogue"),
    nothing("hm_search_document", "products of the catalogue"),
    nothing("hm_search_column", "an index over products"),
    nothing("hm_search_posting", "an index over products"),
    nothing("hm_search_index_version", "versions of indexes"),
    nothing("hm_search_index", "configuration of the tenant")
  ]
})
