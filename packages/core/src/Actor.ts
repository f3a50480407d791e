/**
 * Who acts: recorded in the audit log and asked by policies. Authorization sets it for a request, the worker for a job,
 * the CLI for an operator.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

const Text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))

/**
 * - `key`: an API key, by its id.
 * - `user`: a person who is signed in, by the adopter's id.
 * - `job`: background work, by its name.
 * - `operator`: a person at the command line of the installation.
 * - `process`: a program that uses the packages directly, by its application name.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ActorType = Schema.Literals(["key", "user", "job", "operator", "process"])

const ActorSchema = Schema.Struct({
  type: ActorType,
  id: Text,
  /** The person for whom a server key acts (`X-HM-On-Behalf-Of`). Recorded, never trusted. */
  onBehalfOf: Schema.optionalKey(Text),
  /** The client's IP address as text. */
  address: Schema.optionalKey(Text),
  requestId: Schema.optionalKey(Text)
})

/**
 * The actor as it is stored and sent.
 *
 * @category schemas
 * @since 0.1.0
 */
const schema = ActorSchema
export { schema as Schema }

/**
 * @category models
 * @since 0.1.0
 */
export type Actor = typeof ActorSchema.Type

/**
 * The name that a process has when its application names none.
 *
 * @category constants
 * @since 0.1.0
 */
export const applicationNameDefault = "hypermarket"

/**
 * The actor of the effect at hand. By default the process itself: `{ type: "process", id: "hypermarket" }`.
 * Applications name themselves with {@link process} once, around everything they run.
 *
 * @category services
 * @since 0.1.0
 */
export const Actor = Context.Reference<Actor>("@hypermarket/core/Actor", {
  defaultValue: () => process(applicationNameDefault)
})

/**
 * Returns the actor of a program, by its application name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const process = (applicationName: string): Actor => ({ type: "process", id: applicationName })
