/**
 * The data that a domain holds of a person: found, exported and erased through one interface, which every domain that
 * holds such data implements and names in its `Domain`.
 *
 * A request runs in two rounds. `discover` asks each domain for further identifiers of the subject; `export` or `erase`
 * then gets them all. Rows that the shop must keep are anonymised: the person's columns become NULL, amounts and counts
 * stay, and the receipt names what remains and why.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { tester as testerOf, valuesOf } from "./internal/subjectText.ts"
import type { AllTenants, Tenant } from "./Tenant.ts"

const Text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))

/**
 * The identifiers of one subject: a bound on the statements that look for them.
 *
 * @category limits
 * @since 0.1.0
 */
export const identifiersMax = 1_000

/**
 * A further name of a person, such as `{ kind: "email", value: "ann@example.com" }`. A hash is a value like any other.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Identifier = Schema.Struct({
  kind: Schema.String.check(
    Schema.isPattern(/^[a-z][a-z0-9_]{0,31}$/, { message: "Expected 1 to 32 of a-z, 0-9 and _" })
  ),
  value: Text
})

/**
 * @category models
 * @since 0.1.0
 */
export type Identifier = typeof Identifier.Type

/**
 * The person whose data it is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Subject = Schema.Struct({
  kind: Schema.Literals(["customer", "seller", "user"]),
  id: Text,
  identifiers: Schema.Array(Identifier).check(Schema.isMaxLength(identifiersMax))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Subject = typeof Subject.Type

/**
 * @category models
 * @since 0.1.0
 */
export interface ExportedRow {
  readonly table: string
  readonly row: Schema.Json
}

/**
 * Rows that remain, without the person, and the reason for the receipt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kept {
  readonly table: string
  readonly rows: number
  readonly reason: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Erased {
  /** Rows that were deleted or anonymised by this call. */
  readonly rows: number
  readonly kept: ReadonlyArray<Kept>
  /** Rows of work in flight that name the subject. They go when it ends, so a later pass looks again. */
  readonly waiting?: ReadonlyArray<Kept>
  /** There when more is left: the next call continues from it. */
  readonly cursor?: string
}

/**
 * Each call is bounded in time and can be resumed; a repeated call changes nothing further.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubjectData<R = never> {
  /** The tables that it looks at, and those that it knows to hold nothing of a person: all tables of the domain. */
  readonly tables: ReadonlyArray<string>
  /** Returns the identifiers that the domain holds of the subject beyond those it came with. */
  readonly discover: (subject: Subject) => Effect.Effect<ReadonlyArray<Identifier>, SqlError, Tenant | R>
  readonly export: (subject: Subject) => Stream.Stream<ExportedRow, SqlError, Tenant | R>
  readonly erase: (subject: Subject, cursor?: string) => Effect.Effect<Erased, SqlError, Tenant | R>
  /** Erases everything of the tenant. */
  readonly eraseTenant: (cursor?: string) => Effect.Effect<Erased, SqlError, Tenant | R>
}

/**
 * The implementation of a domain that holds no data of persons: it finds, exports and erases nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: SubjectData = {
  tables: [],
  discover: () => Effect.succeed([]),
  export: () => Stream.empty,
  erase: () => Effect.succeed({ rows: 0, kept: [] }),
  eraseTenant: () => Effect.succeed({ rows: 0, kept: [] })
}

/**
 * The data of persons of one domain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly domain: string
  readonly data: SubjectData<SqlClient | Tenant | AllTenants>
}

/**
 * The domains that hold data of persons, in the order of their migrations. `Domain.start` fills it from its list; without
 * it there are none.
 *
 * @category services
 * @since 0.1.0
 */
export const Sources = Context.Reference<ReadonlyArray<Source>>("@hypermarket/core/SubjectData/Sources", {
  defaultValue: () => []
})

/**
 * Joins several parts of one domain: each runs to its end before the next one begins.
 *
 * @category combinators
 * @since 0.1.0
 */
export const join = <R>(parts: ReadonlyArray<SubjectData<R>>): SubjectData<R> => {
  /** A cursor is the number of the part, a colon and the part's cursor. */
  const resume = (
    run: (part: SubjectData<R>, cursor: string | undefined) => Effect.Effect<Erased, SqlError, Tenant | R>
  ) =>
    Effect.fnUntraced(function* (cursor?: string) {
      const colon = cursor?.indexOf(":") ?? -1
      const place = cursor === undefined ? 0 : Number(cursor.slice(0, colon))
      const part = parts[place]
      if (part === undefined) return { rows: 0, kept: [] }
      const rest = cursor?.slice(colon + 1)
      const { cursor: next, ...erased } = yield* run(part, rest === "" ? undefined : rest)
      if (next !== undefined) return { ...erased, cursor: `${place}:${next}` }
      return place + 1 < parts.length ? { ...erased, cursor: `${place + 1}:` } : erased
    })
  return {
    tables: parts.flatMap(({ tables }) => tables),
    discover: (subject) =>
      Effect.map(
        Effect.forEach(parts, (part) => part.discover(subject)),
        (found) => found.flat()
      ),
    export: (subject) => Stream.flatMap(Stream.fromIterable(parts), (part) => part.export(subject)),
    erase: (subject, cursor) => resume((part, rest) => part.erase(subject, rest))(cursor),
    eraseTenant: (cursor) => resume((part, rest) => part.eraseTenant(rest))(cursor)
  }
}

/**
 * Returns a test of texts for the names of a subject, for data that no statement can look into. A name counts where no letter,
 * digit, `_` or `-` touches it. One of digits only, or of fewer than four characters, must be the whole text or a JSON string.
 *
 * @category accessors
 * @since 0.1.0
 */
export const tester = (subject: Subject): ((text: string) => boolean) => testerOf(valuesOf(subject))
