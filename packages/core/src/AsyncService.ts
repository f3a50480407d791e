/**
 * The types of the Promise door: a service's methods as async functions of plain values.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Service from "./Service.ts"

/**
 * A value of JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [name: string]: Json }

type Kept = string | number | boolean | null | undefined | symbol | Uint8Array

/** Names of fields that are data. */
type DataKey<T, K extends keyof T> = K extends symbol
  ? never
  : T[K] extends (...args: never) => unknown
    ? never
    : K

type Base<T> = T extends string ? string : T extends number ? number : never

/**
 * A value as the door returns it: what `JSON.parse(JSON.stringify(value))` gives back. Minor units are decimal text,
 * instants RFC 3339 text in UTC.
 *
 * @category models
 * @since 0.1.0
 */
export type Plain<T> = unknown extends T
  ? unknown
  : Schema.Json extends T
    ? Json
    : T extends bigint | DateTime.Utc | DateTime.Zoned | Date
      ? string
      : T extends Brand.Brand<string>
        ? Base<T>
        : T extends Kept
          ? T
          : T extends Option.Option<infer A>
            ? Plain<A> | null
            : T extends ReadonlyArray<unknown>
              ? { readonly [K in keyof T]: Plain<T[K]> }
              : T extends object
                ? { readonly [K in keyof T as DataKey<T, K>]: Plain<T[K]> }
                : never

/**
 * A value as the door accepts it: minor units as decimal text or `bigint`, instants as RFC 3339 text or `Date`.
 *
 * @category models
 * @since 0.1.0
 */
export type Accepted<T> = unknown extends T
  ? unknown
  : Schema.Json extends T
    ? Json
    : T extends bigint
      ? string | bigint
      : T extends DateTime.Utc | DateTime.Zoned | Date
        ? string | Date
        : T extends Brand.Brand<string>
          ? Base<T>
          : T extends Kept
            ? T
            : T extends ReadonlySet<unknown>
              ? never
              : T extends Option.Option<infer A>
                ? Accepted<A> | null
                : T extends ReadonlyArray<unknown>
                  ? { readonly [K in keyof T]: Accepted<T[K]> }
                  : T extends object
                    ? { readonly [K in keyof T as DataKey<T, K>]: Accepted<T[K]> }
                    : never

type AcceptedAll<P extends ReadonlyArray<unknown>> = { [K in keyof P]: Accepted<P[K]> }

/**
 * A method as an async function. An effect becomes a function without arguments, a stream an async iterable.
 *
 * @category models
 * @since 0.1.0
 */
export type Async<M> = M extends (...args: infer P) => Effect.Effect<infer A, infer _E, infer _R>
  ? (...args: AcceptedAll<P>) => Promise<Plain<A>>
  : M extends (...args: infer P) => Stream.Stream<infer A, infer _E, infer _R>
    ? (...args: AcceptedAll<P>) => AsyncIterable<Plain<A>>
    : M extends Effect.Effect<infer A, infer _E, infer _R>
      ? () => Promise<Plain<A>>
      : M extends Stream.Stream<infer A, infer _E, infer _R>
        ? () => AsyncIterable<Plain<A>>
        : never

type RequirementsOf<M> = M extends (...args: never) => infer F
  ? RequirementsOf<F>
  : M extends Effect.Effect<unknown, unknown, infer R>
    ? R
    : M extends Stream.Stream<unknown, unknown, infer R>
      ? R
      : never

type ErrorsOf<M> = M extends (...args: never) => infer F
  ? ErrorsOf<F>
  : M extends Effect.Effect<unknown, infer E, unknown>
    ? E
    : M extends Stream.Stream<unknown, infer E, unknown>
      ? E
      : never

type KeysFor<S, R> = { [K in keyof S]: RequirementsOf<S[K]> extends R ? K : never }[keyof S]

type AsyncAll<S> = { readonly [K in keyof S]: Async<S[K]> }

type OfferedBy<T> =
  T extends Service.Service<infer Tag, infer Internal> ? Omit<Tag["Service"], Internal> : never

/**
 * A handle that was opened. It follows changes until it is closed.
 *
 * @category models
 * @since 0.1.0
 */
export type Opened<Handle> = Handle & {
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

type OpenOf<T> =
  T extends Service.Local<infer Options, infer Handle, infer _E, infer _R>
    ? {
        readonly open: Record<never, never> extends Accepted<Options>
          ? (options?: Accepted<Options>) => Promise<Opened<Handle>>
          : (options: Accepted<Options>) => Promise<Opened<Handle>>
      }
    : never

type AsyncOf<T, R> =
  T extends Service.Local<infer _O, infer _H, infer _E, infer _R>
    ? OpenOf<T>
    : AsyncAll<Pick<OfferedBy<T>, KeysFor<OfferedBy<T>, R>>> &
        (T extends Service.Opening<infer Handle> ? OpenOf<Handle> : unknown)

type OfferedTo<T, R> =
  T extends Service.Local<infer _O, infer _H, infer _E, infer _R>
    ? true
    : [KeysFor<OfferedBy<T>, R>] extends [never]
      ? false
      : true

/**
 * The services of a list by their names, with the methods that need no more than `R`.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<Listed, R> = {
  readonly [N in keyof Listed as OfferedTo<Listed[N], R> extends true ? N : never]: AsyncOf<Listed[N], R>
}

/**
 * The union of the errors of a list of services.
 *
 * @category models
 * @since 0.1.0
 */
export type Errors<Listed> = {
  [N in keyof Listed]: Listed[N] extends Service.Local<infer _O, infer _H, infer E, infer _R>
    ? E
    : | ErrorsOf<OfferedBy<Listed[N]>[keyof OfferedBy<Listed[N]>]>
      | (Listed[N] extends Service.Opening<Service.Local<infer _O, infer _H, infer E, infer _R>> ? E : never)
}[keyof Listed]
