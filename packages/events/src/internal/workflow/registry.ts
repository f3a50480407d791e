/** The workflows that are registered in a process. */
import type { Tenant } from "@hypermarket/core/Tenant"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export class Registry extends Context.Service<
  Registry,
  {
    /** Returns the handlers of the workflows that are registered by now, for a worker of the queue. */
    readonly handlers: Effect.Effect<ReadonlyArray<QueueJob.Handler<Tenant>>>
  }
>()("@hypermarket/events/EventWorkflow/Registry") {}
