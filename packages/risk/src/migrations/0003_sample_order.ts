import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // An index that a cancelled build left behind is invalid.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_risk_decision_sample`,
    // For the list of samples: the decisions about one kind of signal, by the time at which they were recorded.
    `
  CREATE INDEX CONCURRENTLY hm_risk_decision_sample
      ON hm_risk_decision (tenant_id, kind, recorded_at, decision_id)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
