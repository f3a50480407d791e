/**
 * Lists the services that a domain offers to programs without Effect, with a schema for each argument of each method.
 *
 * A domain lists its services once, in `Domain.make({ services })`. The Promise door makes async functions of them and
 * decodes every argument by its schema before it calls the method, because types alone do not protect a caller that is
 * written in JavaScript.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Tenant } from "./Tenant.ts"

/**
 * Marks the schema of an argument that may be left out. It is used when the argument is present.
 *
 * @category models
 * @since 0.1.0
 */
export interface Optional<out S extends Schema.Top> {
  readonly _tag: "Optional"
  readonly schema: S
}

/**
 * Marks the schema of each of the arguments that follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rest<out S extends Schema.Top> {
  readonly _tag: "Rest"
  readonly schema: S
}

/**
 * One schema per argument, in order. An argument that may be left out and a rest argument are marked as such.
 *
 * @category models
 * @since 0.1.0
 */
export type ArgumentSchemas<Parameters extends ReadonlyArray<unknown>> = Parameters extends readonly []
  ? readonly []
  : Parameters extends readonly [infer Head, ...infer Tail]
    ? readonly [Schema.Codec<Head, unknown>, ...ArgumentSchemas<Tail>]
    : ReadonlyArray<Parameters[number]> extends Readonly<Parameters>
      ? readonly [Rest<Schema.Codec<Parameters[number], unknown>>]
      : Parameters extends readonly [(infer Head)?, ...infer Tail]
        ? readonly [Optional<Schema.Codec<Exclude<Head, undefined>, unknown>>, ...ArgumentSchemas<Tail>]
        : never

/**
 * The schema of one argument, with its mark.
 *
 * @category models
 * @since 0.1.0
 */
export type ArgumentSchema =
  | Schema.Codec<unknown, unknown>
  | Optional<Schema.Codec<unknown, unknown>>
  | Rest<Schema.Codec<unknown, unknown>>

/**
 * The schemas of all methods of a service. A method without arguments, and a member that is an effect or a stream, has
 * an empty list.
 *
 * @category models
 * @since 0.1.0
 */
export type MethodSchemas<Shape> = {
  readonly [Method in keyof Shape]: Shape[Method] extends (...args: infer Parameters) => unknown
    ? ArgumentSchemas<Parameters>
    : readonly []
}

/**
 * A service of a domain. It is typed by the service's class and not by its shape: an emitted declaration otherwise
 * inlines the shape and loses every doc comment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service<
  out Tag extends Context.Key<unknown, unknown>,
  out Internal extends PropertyKey = never
> {
  readonly _tag: "Service"
  readonly tag: Tag
  readonly methods: Readonly<Record<string, ReadonlyArray<ArgumentSchema>>>
  /** The methods that the door does not offer. */
  readonly internal: ReadonlyArray<Internal>
  /** The handle that the door opens beside the methods; see {@link opening}. */
  readonly opens?: Local<never, unknown, unknown, unknown>
}

/**
 * A handle that a caller opens and keeps: its methods may answer synchronously, take callbacks and return functions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Local<in Options, out Handle, out E, out R> {
  readonly _tag: "Local"
  readonly options: Schema.Codec<unknown, unknown>
  readonly make: (options: Options) => Effect.Effect<Handle, E, R | Tenant | Scope.Scope>
}

/**
 * A service whose name in the door also opens a handle.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening<out Handle extends Local<never, unknown, unknown, unknown>> {
  readonly opens: Handle
}

/**
 * @category models
 * @since 0.1.0
 */
export type Any =
  | Service<Context.Key<unknown, unknown>, PropertyKey>
  | Local<never, unknown, unknown, unknown>

/**
 * Lists the methods of a service. Does not compile when a method or the schema of an argument is missing. A method that
 * only the domain itself calls is named in `internal` instead; the door does not offer it.
 *
 * ```ts
 * Service.make(EventQueues, { get: [QueueName], list: [] })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export function make<Tag extends Context.Key<unknown, unknown>>(
  tag: Tag,
  methods: MethodSchemas<Tag["Service"]>
): Service<Tag>
export function make<Tag extends Context.Key<unknown, unknown>, const Internal extends keyof Tag["Service"]>(
  tag: Tag,
  methods: MethodSchemas<Omit<Tag["Service"], NoInfer<Internal>>>,
  options: { readonly internal: ReadonlyArray<Internal> }
): Service<Tag, Internal>
export function make<Tag extends Context.Key<unknown, unknown>>(
  tag: Tag,
  methods: Readonly<Record<string, ReadonlyArray<ArgumentSchema>>>,
  options: { readonly internal: ReadonlyArray<PropertyKey> } = { internal: [] }
): Service<Tag, PropertyKey> {
  return { _tag: "Service", tag, methods, internal: options.internal }
}

/**
 * Marks an argument that may be left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const optional = <S extends Schema.Top>(schema: S): Optional<S> => ({ _tag: "Optional", schema })

/**
 * Marks the schema of each of the arguments that follow.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rest = <S extends Schema.Top>(schema: S): Rest<S> => ({ _tag: "Rest", schema })

/**
 * Declares a local handle: `make` builds it for one tenant, and what it acquires is released when the handle is closed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const local = <Options, Handle, E, R>(
  options: Schema.Codec<Options, unknown>,
  make: (options: Options) => Effect.Effect<Handle, E, R | Tenant | Scope.Scope>
): Local<Options, Handle, E, R> => ({ _tag: "Local", options, make })

/**
 * Adds `open` to a service: `flags.open(options)` beside `flags.create(flag)`. The service has no method of that name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const opening = <
  Listed extends Service<Context.Key<unknown, unknown>, PropertyKey>,
  Handle extends Local<never, unknown, unknown, unknown>
>(
  service: Listed,
  opens: Handle
): Listed & Opening<Handle> => ({ ...service, opens })
