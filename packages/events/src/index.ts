/**
 * @since 0.1.0
 */
export * as CloudEvent from "./CloudEvent.ts"
export * as EventQueue from "./EventQueue.ts"
export * as Events from "./Events.ts"
export * as EventsApi from "./EventsApi.ts"
export * as EventsDomain from "./EventsDomain.ts"
export * as EventsMigrations from "./EventsMigrations.ts"
export * as EventSubscription from "./EventSubscription.ts"
export * as EventWorker from "./EventWorker.ts"
export * as JobScheduler from "./JobScheduler.ts"
export * as Receipt from "./Receipt.ts"
