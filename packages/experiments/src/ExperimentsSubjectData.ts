/**
 * The data of persons in experiments: units are deleted, and the sums that they are in stay.
 *
 * @since 0.1.0
 */
import * as SubjectTables from "@hypermarket/core/SubjectTables"

const { columns, nothing, rows } = SubjectTables

const unit = { ids: ["unit"] }

/**
 * Finds, exports and erases a person in the tables of experiments.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  tables: [
    rows("hm_experiment_unit", unit),
    rows("hm_experiment_fact", unit),
    rows("hm_experiment_fact_key", unit),
    rows("hm_experiment_subject", unit),
    columns(
      "hm_experiment_phase",
      { texts: ["targeting"] },
      { set: { targeting: "replaced" }, reason: "the condition stays without the person" }
    ),
    nothing("hm_experiment_delta", "sums"),
    nothing("hm_experiment_moment", "sums"),
    nothing("hm_experiment_refund", "amounts by order"),
    nothing("hm_experiment_goal", "configuration of the tenant"),
    nothing("hm_experiment_layer", "configuration of the tenant"),
    nothing("hm_experiment_metric", "configuration of the tenant"),
    nothing("hm_experiment_result", "statistics"),
    nothing("hm_experiment_variant", "configuration of the tenant"),
    nothing("hm_experiment", "configuration of the tenant")
  ]
})
