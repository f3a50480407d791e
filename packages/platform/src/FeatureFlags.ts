/**
 * The service of a tenant's feature flags: creates, changes, archives, rolls back and compares them. Each change is a version
 * of the flag and raises the revision of the environments whose evaluations it may change.
 *
 * @since 0.1.0
 */
import * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as JsonPatch from "effect/JsonPatch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  type FeatureFlag,
  type FlagChange,
  FlagDefinition,
  type FlagDiff,
  type FlagEnvironment,
  type FlagVersion,
  type NewFeatureFlag
} from "./FeatureFlag.ts"
import {
  type FlagApprovalRequired,
  FlagEnvironmentNotFound,
  type FlagExists,
  type FlagInUse,
  type FlagInvalid,
  type FlagLimitReached,
  FlagNotFound,
  type FlagRevisionBusy,
  FlagVersionNotFound
} from "./FlagProblems.ts"
import * as Changes from "./flags/changes.ts"
import { definitionOf } from "./flags/edits.ts"
import * as Revision from "./flags/revision.ts"
import * as Statements from "./flags/statements.ts"

const pages = Page.make({
  list: "flags",
  key: Schema.Tuple([Schema.String]),
  keyOf: (flag: FeatureFlag) => [flag.flagKey] as const
})
const versionPages = Page.make({
  list: "flagVersions",
  key: Schema.Tuple([Schema.Int]),
  keyOf: (version: FlagVersion) => [version.version] as const
})

/** Above every version: the column is an integer. */
const versionAfterLast = 2_147_483_647

/** Boolean flags have these unless their maker names others. */
const booleanVariants = [
  { name: "on", value: true },
  { name: "off", value: false }
]

/**
 * @category errors
 * @since 0.1.0
 */
export type FlagRefused =
  | FlagNotFound
  | FlagInvalid
  | FlagInUse
  | FlagApprovalRequired
  | FlagRevisionBusy
  | VersionStale
  | SqlError

/**
 * Creates, reads and changes flags.
 *
 * A change names the version that its maker has seen, and fails with `VersionStale` when the flag has changed since. It fails
 * with `FlagInvalid` when the flag could not be evaluated, with `FlagInUse` when another flag could no longer be, and with
 * `FlagRevisionBusy` when another transaction holds the environment for two seconds. Inside a caller's transaction the
 * environment is held until that transaction ends.
 *
 * @category services
 * @since 0.1.0
 */
export class FeatureFlags extends Context.Service<
  FeatureFlags,
  {
    readonly create: (
      flag: NewFeatureFlag
    ) => Effect.Effect<
      FeatureFlag,
      | FlagExists
      | FlagLimitReached
      | FlagInvalid
      | FlagInUse
      | FlagApprovalRequired
      | FlagRevisionBusy
      | SqlError,
      Tenant
    >
    readonly get: (flagKey: string) => Effect.Effect<FeatureFlag, FlagNotFound | SqlError, Tenant>
    /** Lists active flags in the order of their keys. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<FeatureFlag>, Page.CursorInvalid | SqlError, Tenant>
    /** Changes what all environments share. A new key is a rename: customers keep their buckets. */
    readonly change: (
      flagKey: string,
      version: number,
      change: FlagChange
    ) => Effect.Effect<FeatureFlag, FlagRefused | FlagExists, Tenant>
    /** Replaces the flag's state in one environment, or adds the environment. */
    readonly setEnvironment: (
      flagKey: string,
      environment: string,
      version: number,
      state: FlagEnvironment
    ) => Effect.Effect<FeatureFlag, FlagRefused, Tenant>
    /** Turns the flag off in one environment, at whatever version it is and without an approval. Turning it off twice changes nothing. */
    readonly kill: (
      flagKey: string,
      environment: string,
      reason: string
    ) => Effect.Effect<FeatureFlag, FlagRefused | FlagEnvironmentNotFound, Tenant>
    /** Removes the flag from every environment. Its key is free again. */
    readonly archive: (
      flagKey: string,
      version: number,
      reason: string
    ) => Effect.Effect<FeatureFlag, FlagRefused, Tenant>
    /** Restores what version `to` held, as a new version. The key, the salt and the hashing stay. */
    readonly rollBack: (
      flagKey: string,
      version: number,
      to: number
    ) => Effect.Effect<FeatureFlag, FlagRefused | FlagVersionNotFound, Tenant>
    /** Lists versions, the newest first. */
    readonly listVersions: (
      flagKey: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<FlagVersion>, FlagNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Returns the JSON Patch (RFC 6902) from one version to another. */
    readonly diff: (
      flagKey: string,
      from: number,
      to: number
    ) => Effect.Effect<typeof FlagDiff.Type, FlagNotFound | FlagVersionNotFound | SqlError, Tenant>
  }
>()("@hypermarket/platform/FeatureFlags") {
  static readonly layer: Layer.Layer<FeatureFlags, never, SqlClient.SqlClient> = Layer.effect(
    FeatureFlags,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = Statements.make(sql)
      const changes = Changes.make(sql, yield* Revision.make(sql))
      const encodeDefinition = Schema.encodeEffect(Schema.toCodecJson(FlagDefinition))

      const existing = Effect.fnUntraced(function* (flagKey: string) {
        const row = yield* statements.find(flagKey)
        return row === undefined ? yield* new FlagNotFound({ flagKey }) : row
      })

      const versionOf = Effect.fnUntraced(function* (featureId: string, flagKey: string, version: number) {
        const row = yield* statements.version(featureId, version)
        return row === undefined ? yield* new FlagVersionNotFound({ flagKey, version }) : row
      })

      const create = Effect.fn("FeatureFlags.create")(function* (flag: NewFeatureFlag) {
        return yield* changes.create({
          flagKey: flag.flagKey,
          kind: flag.kind,
          salt: flag.salt ?? flag.flagKey,
          hashing: flag.hashing ?? "murmur3",
          definition: {
            description: flag.description ?? null,
            variants: flag.variants ?? (flag.kind === "boolean" ? booleanVariants : []),
            metadata: flag.metadata ?? {},
            owner: flag.owner ?? null,
            expiresAt: flag.expiresAt ?? null,
            environments: flag.environments ?? {}
          }
        })
      })

      const get = Effect.fn("FeatureFlags.get")(function* (flagKey: string) {
        return (yield* existing(flagKey)).flag
      })

      const list = Effect.fn("FeatureFlags.list")(function* (request: Page.Request) {
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        const rows = yield* statements.list(after, Page.limitOf(request) + 1)
        return yield* pages.page(
          rows.map(({ flag }) => flag),
          request
        )
      })

      const change = Effect.fn("FeatureFlags.change")(function* (
        flagKey: string,
        version: number,
        { flagKey: renamed, ...fields }: FlagChange
      ) {
        return yield* changes.modify(flagKey, version, "flag.changed", ({ flag }) =>
          Effect.succeed({
            flagKey: renamed ?? flagKey,
            definition: { ...definitionOf(flag), ...fields },
            prefix: (environment: string) => ["environments", environment]
          })
        )
      })

      const setEnvironment = Effect.fn("FeatureFlags.setEnvironment")(function* (
        flagKey: string,
        environment: string,
        version: number,
        state: FlagEnvironment
      ) {
        return yield* changes
          .modify(flagKey, version, "flag.environment-set", ({ flag }) =>
            Effect.succeed({
              flagKey,
              definition: {
                ...definitionOf(flag),
                environments: { ...flag.environments, [environment]: state }
              },
              prefix: () => []
            })
          )
          .pipe(Effect.catchTag("FlagExists", Effect.die))
      })

      const kill = Effect.fn("FeatureFlags.kill")(function* (
        flagKey: string,
        environment: string,
        reason: string
      ) {
        return yield* changes
          .modify(
            flagKey,
            undefined,
            "flag.killed",
            Effect.fnUntraced(function* ({ flag }) {
              const state = flag.environments[environment]
              if (state === undefined) return yield* new FlagEnvironmentNotFound({ flagKey, environment })
              return {
                flagKey,
                definition: {
                  ...definitionOf(flag),
                  environments: { ...flag.environments, [environment]: { ...state, isEnabled: false } }
                },
                prefix: () => [],
                reason,
                isApproved: true
              }
            })
          )
          .pipe(Effect.catchTag("FlagExists", Effect.die))
      })

      const archive = Effect.fn("FeatureFlags.archive")(function* (
        flagKey: string,
        version: number,
        reason: string
      ) {
        return yield* changes
          .modify(flagKey, version, "flag.archived", ({ flag }) =>
            Effect.succeed({
              flagKey,
              definition: definitionOf(flag),
              prefix: () => [],
              reason,
              archivedReason: reason
            })
          )
          .pipe(Effect.catchTag("FlagExists", Effect.die))
      })

      const rollBack = Effect.fn("FeatureFlags.rollBack")(function* (
        flagKey: string,
        version: number,
        to: number
      ) {
        return yield* changes
          .modify(
            flagKey,
            version,
            "flag.rolled-back",
            Effect.fnUntraced(function* ({ featureId }) {
              const { definition } = yield* versionOf(featureId, flagKey, to)
              return { flagKey, definition, prefix: (environment: string) => ["environments", environment] }
            })
          )
          .pipe(Effect.catchTag("FlagExists", Effect.die))
      })

      const listVersions = Effect.fn("FeatureFlags.listVersions")(function* (
        flagKey: string,
        request: Page.Request
      ) {
        const { featureId } = yield* existing(flagKey)
        const [before] = Option.getOrElse(
          yield* versionPages.after(request),
          () => [versionAfterLast] as const
        )
        const rows = yield* statements.versions(featureId, before, Page.limitOf(request) + 1)
        return yield* versionPages.page(rows, request)
      })

      const diff = Effect.fn("FeatureFlags.diff")(function* (flagKey: string, from: number, to: number) {
        const { featureId } = yield* existing(flagKey)
        const [before, after] = yield* Effect.forEach([from, to], (version) =>
          Effect.flatMap(versionOf(featureId, flagKey, version), ({ definition }) =>
            Effect.orDie(encodeDefinition(definition))
          )
        )
        return {
          from,
          to,
          patch: JsonPatch.get(before ?? {}, after ?? {}).map((operation) => ({ ...operation }))
        }
      })

      return FeatureFlags.of({
        create,
        get,
        list,
        change,
        setEnvironment,
        kill,
        archive,
        rollBack,
        listVersions,
        diff
      })
    })
  )
}
