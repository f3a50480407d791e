/**
 * The prose of error projects, releases and issues in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { ObservabilityApi } from "./ObservabilityApi.ts"
import examples from "./ObservabilityApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  ObservabilityApi,
  {
    projects: {
      createProject: {
        summary: "Create an error project",
        description:
          'Creates a project and numbers it. Then create a client key with the scope `observability:write` and the resource `{ "kind": "project", "id": "<project id>" }`: the DSN of the SDK is `https://<key>@<host>/sentry/<project id>`. Repeat the request with the same `Idempotency-Key` to retry safely.'
      },
      listProjects: {
        summary: "List error projects",
        description: "Returns projects by id, at most 200 per page."
      },
      getProject: {
        summary: "Get an error project",
        description: "Returns the project, with its version as `ETag`."
      },
      changeProject: {
        summary: "Change an error project",
        description:
          "Changes the name, closes or opens the project, keeps IP addresses of users from now on, or replaces the grouping rules. A closed project refuses events with 403.\n\nOf the rules the first that matches an event decides, before the fingerprint of the SDK. `{{ default }}` in a fingerprint stands for the grouping without rules, and `{{ type }}`, `{{ message }}` and `{{ function }}` for those of the event. Events before the rule stay in their issues. Send the version in `If-Match`."
      },
      counts: {
        summary: "Count what was sent and dropped",
        description:
          "Returns what became of the items of the last 30 days, per day, category, outcome and reason. `stored` items can be read, `counted` ones are not kept, `dropped` ones were refused for the reason, and `client` ones were discarded by the SDK."
      }
    },
    releases: {
      listReleases: {
        summary: "List releases",
        description:
          "Returns the releases of a project by their first event, newest first, at most 200 per page."
      },
      removeRelease: {
        summary: "Remove a release",
        description:
          "Removes a release from the list. Resolutions keep the release that they compare with, so that no issue changes its state."
      }
    },
    monitors: {
      listMonitors: {
        summary: "List monitors",
        description:
          "Returns the monitors of a project by name, at most 200 per page, with status and next due time."
      },
      checkIns: {
        summary: "List the runs of a monitor",
        description:
          "Returns the runs of a monitor in an environment, newest first, and those that did not come. Runs are kept for 30 days."
      },
      removeMonitor: {
        summary: "Remove a monitor",
        description:
          "Removes a monitor and its runs, for a task that no longer exists. A check-in makes it again."
      }
    },
    issues: {
      listIssues: {
        summary: "List issues",
        description:
          "Returns issues by their last event, their events or their users, at most 200 per page. Filter by status, project, release, or a part of the title or culprit. Merged issues are not listed."
      },
      getIssue: {
        summary: "Get an issue",
        description: "Returns the issue, with its version as `ETag`. Events do not change the version."
      },
      summary: {
        summary: "Summarize an issue",
        description:
          "Returns events per hour of the last 14 days, the ten most frequent values of each tag, and merges with their reasons."
      },
      events: {
        summary: "List the events of an issue",
        description:
          "Returns the events of the issue and of those merged into it, newest first, at most 200 per page. Events are kept for 90 days."
      },
      event: {
        summary: "Get an event",
        description:
          "Returns an event with its data as the SDK sent it. Secrets are replaced by `[scrubbed]`.\n\nWithout the scope `events:payload` the data is the exceptions with their stacks, the message, the tags and where the code ran. Requests, breadcrumbs, contexts, local variables and all else are left out. `user` needs the scope `customers:contact`. `withheld` names the scopes that would show more of this event. A reading through the console with one of them is in the activity log."
      },
      resolveIssue: {
        summary: "Resolve an issue",
        description:
          "Resolves the issue now, in a release, or in the release after the newest one. It regresses with an event of a release that should have the fix, or of no release. Events of older releases are counted and do not reopen it."
      },
      reopenIssue: {
        summary: "Reopen an issue",
        description: "Makes a resolved or muted issue unresolved. Nothing is published."
      },
      muteIssue: {
        summary: "Mute an issue",
        description:
          "Mutes the issue until a time, until further events, until a sliding window has as many events, or until it escalates. The first end that is reached makes it unresolved and is published once. Without an end it stays muted."
      },
      assignIssue: {
        summary: "Assign an issue",
        description: "Assigns the issue to a person or team of yours, or to no one with null."
      },
      mergeIssues: {
        summary: "Merge issues",
        description:
          "Shows the events of other issues of the project under this one, now and in future. The reason is kept, and each merge can be undone."
      },
      unmergeIssue: {
        summary: "Undo a merge",
        description: "Separates a merged issue again, with its events of the meantime, and returns it."
      },
      removeIssue: {
        summary: "Delete an issue",
        description:
          "Deletes the issue at the version in `If-Match`, the issues merged into it, and their events. The next event of its kind makes a new issue."
      }
    },
    installationIssues: {
      listIssues: {
        summary: "List issues of the installation",
        description:
          "Returns the issues of the API and of the workers by their last event, their events or their users, at most 200 per page. Filter by status, release, or a part of the title or culprit."
      },
      getIssue: {
        summary: "Get an installation issue",
        description: "Returns the issue, with its version as `ETag`. A tenant's issue is not found here."
      },
      summary: {
        summary: "Summarize an installation issue",
        description:
          "Returns events per hour of the last 14 days, the ten most frequent values of each tag, and merges with their reasons."
      },
      events: {
        summary: "List events of an installation issue",
        description:
          "Returns the events of the issue, newest first, at most 200 per page. Events are kept for 90 days."
      },
      event: {
        summary: "Get an event of the installation",
        description:
          "Returns the exceptions of an event with their stacks, the message, the tags and where the code ran. All else is withheld: the tenant-less credential does not read data of customers."
      },
      resolveIssue: {
        summary: "Resolve an installation issue",
        description:
          "Resolves the issue now, in a release of Hypermarket, or in the release after the newest one. It regresses with an event of a release that should have the fix. The change is in the activity log of the installation."
      },
      reopenIssue: {
        summary: "Reopen an installation issue",
        description: "Makes a resolved or muted issue unresolved. Nothing is published."
      },
      muteIssue: {
        summary: "Mute an installation issue",
        description:
          "Mutes the issue until a time, until further events, until a sliding window has as many events, or until it escalates. Without an end it stays muted."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:observability:project-not-found": {
        cause: "The tenant has no project with this id.",
        remedy: "List the projects to find the id."
      },
      "urn:hypermarket:problem:observability:project-exists": {
        cause: "Another project of the tenant has the slug.",
        remedy: "Choose another slug, or use the existing project."
      },
      "urn:hypermarket:problem:observability:project-limit": {
        cause: "The tenant has as many projects as it may have.",
        remedy: "Use an existing project, or raise `HM_OBSERVABILITY_PROJECTS_MAX`."
      },
      "urn:hypermarket:problem:observability:release-not-found": {
        cause: "The project has no release with this name, or it was removed.",
        remedy: "List the releases of the project to find the name."
      },
      "urn:hypermarket:problem:observability:monitor-not-found": {
        cause: "The project has no monitor of this name in this environment.",
        remedy: "List the monitors to find slug and environment."
      },
      "urn:hypermarket:problem:observability:issue-not-found": {
        cause: "The tenant has no issue with this id, or it was deleted.",
        remedy: "List the issues to find the id."
      },
      "urn:hypermarket:problem:observability:issue-merged": {
        cause: "The issue is merged into another, which has the state of both.",
        remedy: "Change the issue in `mergedInto`, or undo the merge."
      },
      "urn:hypermarket:problem:observability:merge-invalid": {
        cause: "The issues are the same, are of different projects, or are not merged.",
        remedy: "Merge different issues of one project, and undo merges that the summary lists."
      },
      "urn:hypermarket:problem:observability:event-not-found": {
        cause: "The project has no event with this id, or it is older than 90 days.",
        remedy: "List the events of the issue to find the id."
      }
    }
  }
)
