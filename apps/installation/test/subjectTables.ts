/** Tables by what the test of subjects expects of them. */

/** Tables with a person's row that no dump shows, because it has only a hash. */
export const hashedTables = [
  "hm_error_user",
  "hm_error_event_key",
  "hm_fraud_entity_event",
  "hm_fraud_entity_hour",
  "hm_fraud_entity_due",
  "hm_risk_edge",
  "hm_risk_snooze"
]

/** Work in flight: an erasure waits until it has ended, which the tests of the domain show. */
export const inFlight = ["hm_event_key", "hm_event_lease"]

/** Tables that hold nothing of a person: sums, configuration, products, code. The test fails for a table that is in no list. */
export const holdingNobody = `
  hm_api_key_use
  hm_console_code
  hm_console_session
  hm_console_session_key
  hm_error_bundle
  hm_error_check_in
  hm_error_chunk
  hm_error_count
  hm_error_hash
  hm_error_hour
  hm_error_missing_map
  hm_error_monitor
  hm_error_project
  hm_error_release
  hm_error_source_map
  hm_event_definition
  hm_event_handler
  hm_event_history
  hm_event_retention
  hm_event_subscription
  hm_event_worker_queue
  hm_experiment
  hm_experiment_delta
  hm_experiment_goal
  hm_experiment_layer
  hm_experiment_metric
  hm_experiment_moment
  hm_experiment_refund
  hm_experiment_result
  hm_experiment_variant
  hm_notification_branding
  hm_notification_category
  hm_notification_mapping
  hm_notification_setting
  hm_notification_template
  hm_order_adjustment
  hm_order_close
  hm_order_delta
  hm_order_head
  hm_order_late
  hm_order_merge
  hm_order_month
  hm_order_proof
  hm_order_restatement
  hm_order_retention
  hm_order_summary
  hm_order_zone
  hm_platform_activity_checkpoint
  hm_platform_activity_key
  hm_platform_activity_retention
  hm_platform_flag_environment
  hm_platform_flag_revision
  hm_platform_flag_usage
  hm_platform_policy_revision
  hm_product_popularity_signal
  hm_quota_feature
  hm_ranking_signal
  hm_rate_denial
  hm_rate_policy
  hm_rate_presence
  hm_rate_revision
  hm_risk_attribute
  hm_risk_rule_set
  hm_risk_rule_state
  hm_sales_analytics_snapshot
  hm_search_change
  hm_search_column
  hm_search_document
  hm_search_index
  hm_search_index_version
  hm_search_popularity_pending
  hm_search_posting
  hm_secret_key
  hm_tenant
  hm_webhook_secret
`
  .trim()
  .split(/\s+/)
