/**
 * The prose of the system operations in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "./Reference.ts"
import { SystemApi } from "./SystemApi.ts"
import examples from "./SystemApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  SystemApi,
  {
    system: {
      listChecks: {
        summary: "Check the installation",
        description:
          "Runs the checks of `hypermarket doctor` in this process and returns what they find: `warn` needs a look this week, `fail` needs one now, and `hint` is the remedy. Filter by `domain` or `status`; a monitor asks for `status=fail`. A check that fails or takes more than 10 seconds is reported as a finding. While migrations are pending that is the only finding."
      },
      listSettings: {
        summary: "List the settings in force",
        description:
          "Returns every setting that this process reads, with its default and its value since the process started. Secrets are never returned: `isSecret` is true, and `isSet` says whether there is one. The worker may have other settings."
      },
      getInstallation: {
        summary: "Get the releases",
        description:
          "Returns the releases of Hypermarket, Node and Postgres, when this process started, and the newest migration of every domain."
      },
      listFigures: {
        summary: "List the figures of the process",
        description:
          "Returns the gauges of this process, at most 1,000: what waits for a connection, memory, spools. `/metrics` has them with counters and histograms, in the format of Prometheus. Send `name` for one of them."
      }
    }
  },
  { examples, problems: {} }
)
