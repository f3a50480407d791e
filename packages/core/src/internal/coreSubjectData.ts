/** The data of persons in core's tables: answers that are kept for repeated requests, and texts of failures. */
import * as SubjectTables from "../SubjectTables.ts"

export const subjectData = SubjectTables.make({
  tables: [
    // A request that is sent again is then a new one.
    SubjectTables.rows("hm_idempotency_key", { texts: ["answer", "idempotency_key"] }),
    SubjectTables.rows("hm_loop_failure", { texts: ["last_error"] }),
    SubjectTables.nothing("hm_secret_key", "keys of the tenant, sealed")
  ]
})
