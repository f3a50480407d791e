/**
 * Names that belong to the installation. A tenant may not feed a queue of a domain, nor publish an event that looks as
 * if a domain had.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Commerce from "./Commerce.ts"

/**
 * Every domain, present or to come.
 *
 * @category constants
 * @since 0.1.0
 */
export const domainNames = [
  "analytics",
  "core",
  "events",
  "experiments",
  "notifications",
  "observability",
  "platform",
  "queue",
  "quotas",
  "risk",
  "search"
] as const

/** First words of queues that are made from the names of handlers, jobs and workflows. */
const machinery = ["handler", "job", "workflow", "system"] as const

const queueWords: ReadonlySet<string> = new Set([...domainNames, ...machinery])

/**
 * True for a queue whose first word, up to the first `.`, belongs to the installation: `notifications.email`, `job.x`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isQueueReserved = (queue: string): boolean => queueWords.has(queue.split(".", 1)[0] ?? "")

const queuePattern = /^[a-z0-9][a-z0-9._-]{0,126}$/

/**
 * A queue of any kind, for reading it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AnyQueueName = Schema.String.check(
  Schema.isPattern(queuePattern, { message: "Expected 1 to 127 of a-z, 0-9, '.', '_' and '-'" })
)

/**
 * A queue that a tenant names.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueName = AnyQueueName.check(
  Schema.makeFilter(
    (queue: string) =>
      isQueueReserved(queue)
        ? `Expected a first word other than ${Array.from(queueWords).join(", ")}: they are reserved`
        : undefined,
    { expected: "a queue that is not reserved", toJsonSchema: () => ({}) }
  )
)

const typePrefix = "com.hypermarket."
const sourcePrefix = "/hypermarket/"

/**
 * True for a type that no tenant may publish: `com.hypermarket.*` but the facts of `Commerce`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTypeReserved = (type: string): boolean =>
  type.startsWith(typePrefix) && Commerce.schemaOf(type) === undefined

/**
 * True for a source that no tenant may publish under: `/hypermarket/*`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSourceReserved = (source: string): boolean => `${source}/`.startsWith(sourcePrefix)
