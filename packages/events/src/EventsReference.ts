/**
 * The prose of events, queues, subscriptions and schedules in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { EventsApi } from "./EventsApi.ts"
import examples from "./EventsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  EventsApi,
  {
    events: {
      publish: {
        summary: "Publish events",
        description:
          "Publishes one event or a batch of at most 1,000, all or nothing. The body is one of the three content modes of CloudEvents 1.0:\n\n- `application/cloudevents+json`: one event with its `data`.\n- `application/cloudevents-batch+json`: an array of events.\n- Any other type, with the attributes in `ce-` headers: the `data` alone. JSON is kept as it is, and everything else as `data_base64`.\n\n`application/json` without `ce-` headers is read as one event, or as a batch.\n\nPublishing is idempotent by `source` and `id`. The same event again is answered with the state `duplicate`, so repeat a request that failed. Another event with the same `source` and `id` is answered with 409 `event-conflict`. An event has at most 256 KiB and a body at most 8 MiB.\n\nThe `data` of a fact, for example `com.hypermarket.shop.order.placed.v1`, is checked against its schema. A 400 `event-invalid` names the fields; each path begins with the index of the event."
      },
      state: {
        summary: "Get the state of an event",
        description:
          "Returns what became of a published event in each queue that it went to: those of handlers and of subscriptions. It is known for 30 days after publishing; then the event is answered with 404 `event-not-found`. `source` is `/` if you leave it out.\n\n- `waiting`: no worker has it yet. `nextAt` is set if it is not due.\n- `running`: a worker has it.\n- `retrying`: it has failed `attempt` times and is tried again. `error` is the last error.\n- `dead`: it is in the dead-letter queue.\n- `done`: it is completed, or was cancelled or discarded.\n- `waiting-or-done`: one of the two. A look-up reads the first 10,000 jobs that wait in a queue, and `unsearched` more wait.\n\n`handlers` is empty when no handler and no subscription wanted the event. Deliveries to webhooks have a list of their own."
      }
    },
    facts: {
      factSchema: {
        summary: "Get the schema of a fact",
        description:
          "Returns the JSON Schema (draft 2020-12) of the `data` of a fact. It is the same for every tenant. Use it to check events before you publish them. An unknown type is answered with 404 `fact-unknown`."
      }
    },
    queues: {
      listQueues: {
        summary: "List queues",
        description:
          "Returns every queue of the tenant, with its depth, its settings and the attempts of the last hour. Queues of handlers and subscriptions are listed while they are empty too. The depth is counted at the time of the request."
      },
      getQueue: {
        summary: "Get a queue",
        description:
          "Returns the depth and the settings of one queue. `oldestAgeSeconds` is the age of the oldest runnable job, and null when there is none. The `ETag` header holds the version of the settings, which is 0 while they are the defaults."
      },
      minutes: {
        summary: "List the work per minute",
        description:
          "Returns how many jobs the workers finished per minute, and how many failed. It covers the last 60 minutes, newest first. Minutes without work are left out. Use it to see whether a queue keeps up with its producers."
      },
      changeQueue: {
        summary: "Change a queue",
        description:
          "Changes the settings in the body; absent fields keep their value, and null removes a limit.\n\n- `weight` (1 to 100) is the queue's share of the workers' time.\n- `concurrencyMax` limits the jobs that run at the same time over all workers.\n- `rate` limits the starts per `periodMillis`.\n\nSend the version in `If-Match`, `\"0\"` for a queue with default settings. After a 412, get the queue and try again."
      },
      pauseQueue: {
        summary: "Pause a queue",
        description:
          "Stops the workers from claiming jobs of the queue, within 2 seconds. Running jobs finish, and new jobs are still accepted. Pausing a paused queue changes nothing."
      },
      resumeQueue: {
        summary: "Resume a queue",
        description:
          "Ends the pause of a queue. Jobs that arrived meanwhile run in their order. Resuming a queue that is not paused changes nothing."
      },
      job: {
        summary: "Get a job",
        description:
          "Returns the state of one job, its failed attempts and their errors. `ready` includes a job that waits behind its ordering key. A job that is done is deleted, so it is answered with 404 `job-not-found`. A look-up reads the first 10,000 jobs that wait in the queue: with `unsearched` above 0 in the problem, the job may be one of those behind them."
      },
      jobs: {
        summary: "List jobs that wait or run",
        description:
          "Returns the jobs of one `state` (`ready` by default), at most 200 per page, and only those of `type` if you send it.\n\n- `ready`: in the order in which workers claim them.\n- `ordered`: jobs with an ordering key, by key; `state` in the response is `delayed` until their time comes.\n- `delayed`: they wait for their time or their next attempt, oldest first.\n- `running`: a worker has them, oldest first."
      },
      payload: {
        summary: "Get the payload of a job",
        description:
          "Returns the payload of a job that is not done. It needs the scope `events:payload`, which no other includes, because a payload may hold data of a customer. A reading through the console is in the activity log. It is null when a large payload of a job that died long ago is no longer kept. A job that is done is answered with 404 `job-not-found`."
      },
      cancel: {
        summary: "Cancel a job",
        description:
          "Deletes a job that has not started. A job that a worker runs is answered with 409 `job-running`: try again when its attempt has ended. A dead job is answered with 404 `job-not-found`: discard it instead."
      },
      dead: {
        summary: "List dead jobs",
        description:
          "Returns the jobs of the dead-letter queue, oldest first, at most 200 per page. Filter them by `type`, by `failure` as the groups have it, or by the time of death. A job is there after its last attempt, or after its handler rejected it. `errors` has the last ten failures. Redrive the jobs once the cause is fixed, or discard them."
      },
      deadGroups: {
        summary: "Group dead jobs by error",
        description:
          "Returns the dead jobs of a queue by their last error, the most frequent first, at most 100 groups. Errors that differ in ids and numbers only are one group: `failure` has `#` in their place. Send it to list, redrive or discard the jobs of one group."
      },
      redrive: {
        summary: "Redrive dead jobs",
        description:
          "Moves dead jobs back to the queue, with all their attempts. Select them by `type`, `failure` (as the groups have it), `jobIds` (at most 1,000) or the time of death. Without a condition, all of them are moved, oldest first.\n\nOne request moves at most 10,000 jobs: call it again while `redriven` is 10,000. `perSecond` spreads them, so that a dependency that has just recovered is not overloaded."
      },
      discard: {
        summary: "Discard dead jobs",
        description:
          "Deletes dead jobs, selected as for a redrive. This cannot be undone. One request deletes at most 10,000: call it again while `discarded` is 10,000."
      }
    },
    subscriptions: {
      createSubscription: {
        summary: "Create a subscription",
        description:
          "Creates a subscription. From now on, each published event that matches every filter becomes a job in `queue`. Earlier events are not delivered.\n\nWith `workflow` instead of `queue`, the event starts an execution with its `data` as the payload, or sends `data` as the `signal`. `key` says where the event has the key of the execution: an attribute, or a field such as `data.orderId`; `subject` by default. A repeated start, and a second signal of the same name, change nothing. An event without a key is in the dead-letter queue of `events.workflow-event`.\n\nA filter compares attributes or extensions by `exact`, `prefix` or `suffix`; `all`, `any` and `not` combine filters. There are at most 20; without filters every event matches that the key may read. With `ordered`, events of one `subject` run one at a time, in the order of publishing.\n\nEvery request creates another subscription, and each delivers every event. Send an `Idempotency-Key` to repeat the request safely within 24 hours."
      },
      listSubscriptions: {
        summary: "List subscriptions",
        description:
          "Returns the tenant's subscriptions, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getSubscription: {
        summary: "Get a subscription",
        description:
          "Returns the subscription. The `ETag` header holds its version, which a change needs in `If-Match`."
      },
      changeSubscription: {
        summary: "Change or pause a subscription",
        description:
          "Changes the fields in the body; absent fields keep their value. New filters apply to events that are published afterwards.\n\nEvents that are published while `status` is `paused` are never delivered to this subscription. To keep them, pause the queue instead. Send the version in `If-Match`."
      },
      removeSubscription: {
        summary: "Remove a subscription",
        description:
          "Removes the subscription at the version in `If-Match`. Jobs that are in its queue stay there and still run."
      }
    },
    schedules: {
      createSchedule: {
        summary: "Create a schedule",
        description:
          "Creates a schedule that enqueues a job of `type` in `queue`. Send exactly one of `cron`, `everySeconds` and `runAt`. A cron expression has five fields, or six with seconds first, and is read in `timeZone` (IANA, UTC by default).\n\n`overlap` decides about a run that is due while the last one is unfinished: `skip`, `queue` (default) or `cancel`. `catchUp` decides about times that passed while no worker ran: `none`, `one` (default) or `all`, at most 1,000.\n\nA name that is in use is answered with 409 `schedule-exists`. A 400 `schedule-invalid` names the field."
      },
      listSchedules: {
        summary: "List schedules",
        description:
          "Returns the tenant's schedules with their next run, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getSchedule: {
        summary: "Get a schedule",
        description:
          "Returns the schedule. `nextAt` is its next run, and null after the only run of a schedule with `runAt`. Without the scope `events:payload` `payload` is null, and `withheld` says so. The `ETag` header holds its version."
      },
      changeSchedule: {
        summary: "Pause or resume a schedule",
        description:
          "Sets `paused`. A paused schedule enqueues nothing, and times that are due during the pause are skipped. Send the version in `If-Match`. To change the times, remove the schedule and create it again."
      },
      runs: {
        summary: "List the last runs of a schedule",
        description:
          "Returns the last five runs, newest first, each with its outcome: `waiting`, `running`, `retrying`, `done`, `dead`, `skipped` (the run before was not done, or the time had passed) or `cancelled`. `error` is the last error of a run that is dead or tried again."
      },
      runNow: {
        summary: "Run a schedule now",
        description:
          "Enqueues one job of the schedule at once. Its next run stays as it is. A 503 `queue-overloaded` means that nothing was enqueued: try again later."
      },
      removeSchedule: {
        summary: "Remove a schedule",
        description:
          "Removes the schedule at the version in `If-Match`. Jobs that it has enqueued stay in their queue."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:events:event-conflict": {
        cause: "Another event was published with this `source` and `id`. Nothing of the batch was published.",
        remedy: "Give every event its own `id`, for example that of the order with the name of the event."
      },
      "urn:hypermarket:problem:events:event-invalid": {
        cause: "An event of the batch is not valid. Nothing of the batch was published.",
        remedy: "Correct the fields in `errors`. Each path begins with the index of the event."
      },
      "urn:hypermarket:problem:events:event-not-found": {
        cause: "No event of this `source` and `id` was published within the last 30 days.",
        remedy: "Check `source` and `id`: both are those of the published event."
      },
      "urn:hypermarket:problem:events:fact-unknown": {
        cause: "The type is not one of the facts that domains understand.",
        remedy: "Use the type of a fact. Your own types need no schema."
      },
      "urn:hypermarket:problem:events:job-not-found": {
        cause:
          "The job is done, was cancelled, or never existed. If `unsearched` is above 0, it may wait behind the first 10,000 jobs of its queue.",
        remedy: "Nothing, if the job is done. Discard a dead job instead of cancelling it."
      },
      "urn:hypermarket:problem:events:job-running": {
        cause: "A worker runs the job or another one of its ordering key.",
        remedy: "Try again when the attempt has ended."
      },
      "urn:hypermarket:problem:events:queue-not-found": {
        cause: "The tenant has no jobs, settings, subscription or schedule for this queue.",
        remedy: "List the queues to find the name."
      },
      "urn:hypermarket:problem:events:schedule-exists": {
        cause: "Another schedule of the tenant has this name.",
        remedy: "Choose another `name`, or remove the other schedule."
      },
      "urn:hypermarket:problem:events:schedule-invalid": {
        cause:
          "The cron expression, the time zone, or the choice between `cron`, `everySeconds` and `runAt` is not valid.",
        remedy: "Correct the field in `errors`."
      },
      "urn:hypermarket:problem:events:schedule-limit": {
        cause: "The tenant has as many schedules as it may have.",
        remedy: "Remove a schedule that is not used."
      },
      "urn:hypermarket:problem:events:schedule-not-found": {
        cause: "The tenant has no schedule with this id.",
        remedy: "List the schedules to find the id."
      },
      "urn:hypermarket:problem:events:subscription-not-found": {
        cause: "The tenant has no subscription with this id.",
        remedy: "List the subscriptions to find the id."
      }
    }
  }
)
