/**
 * Data that an answer leaves out because the caller's key lacks a scope. The rest of the answer is there, and `withheld`
 * names the scopes that would show the data.
 *
 * Services return all of it: the process that calls them has the database. The handlers of HTTP withhold.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as AccessScope from "./AccessScope.ts"
import { Caller } from "./Credentials.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type Scope = (typeof AccessScope.ofData)[number]

/**
 * The field of a model whose data may be withheld. Absent when nothing is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const field = {
  /** The scopes that the key lacks for the data that is left out; absent when nothing is. */
  withheld: Schema.optionalKey(Schema.Array(Schema.Literals(AccessScope.ofData)))
}

/**
 * True when the caller's key has the scope.
 *
 * @category accessors
 * @since 0.1.0
 */
export const shows = (scope: Scope): Effect.Effect<boolean, never, Caller> =>
  Effect.map(Caller, ({ scopes }) => AccessScope.includes(scopes, scope))

/**
 * Returns what a caller without the scope gets in place of each value, or the identity for one with it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const unless = <A>(
  scope: Scope,
  withhold: (value: A) => A
): Effect.Effect<(value: A) => A, never, Caller> =>
  Effect.map(shows(scope), (isShown) => (isShown ? (value: A) => value : withhold))
