/**
 * The metrics of intake.
 */
import * as Metric from "effect/Metric"

export const eventsTotal = Metric.counter("hm_observability_events_total", {
  description: "Events stored, each once",
  incremental: true
})

export const refusedTotal = Metric.counter("hm_observability_refused_envelopes_total", {
  description: "Envelopes that were not acknowledged, by reason",
  incremental: true
})

export const queueBytes = Metric.gauge("hm_observability_queue_bytes", {
  description: "Bytes of events that wait in memory to be stored"
})

export const spoolBytes = Metric.gauge("hm_observability_spool_bytes", {
  description: "Bytes of acknowledged events on disk that wait for the database"
})

export const intakeFailing = Metric.gauge("hm_observability_intake_failing", {
  description: "1 while errors cannot be acknowledged or stored, by reason"
})

export const reportsLostTotal = Metric.counter("hm_observability_reports_lost_total", {
  description: "Errors of this process that were not reported, by reason",
  incremental: true
})
