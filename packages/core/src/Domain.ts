/**
 * What a package is to the apps: worker, migrate, doctor and the configuration reference are built from one list of
 * domains.
 *
 * @since 0.1.0
 */
import type { Check } from "./Check.ts"
import type * as Job from "./Job.ts"
import type { MigrationSet } from "./Migrations.ts"
import * as Partitions from "./Partitions.ts"
import type * as Setting from "./Setting.ts"
import type { Subscription } from "./Subscription.ts"

/**
 * `R` is what its jobs and handlers require.
 *
 * @category models
 * @since 0.1.0
 */
export interface Domain<out R = never> {
  readonly name: string
  readonly migrations: MigrationSet
  readonly jobs: ReadonlyArray<Job.Runnable<R>>
  readonly subscriptions: ReadonlyArray<Subscription<R>>
  readonly checks: ReadonlyArray<Check>
  /** Its tables that are partitioned by time: one job of the worker maintains those of all domains. */
  readonly partitions: ReadonlyArray<Partitions.Partitions>
  readonly settings: ReadonlyArray<Setting.Any>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly migrations: MigrationSet
  readonly jobs?: ReadonlyArray<Job.Runnable<R>>
  readonly subscriptions?: ReadonlyArray<Subscription<R>>
  readonly checks?: ReadonlyArray<Check>
  readonly partitions?: ReadonlyArray<Partitions.Partitions>
  readonly settings?: ReadonlyArray<Setting.Any>
}): Domain<R> => ({
  name: options.name,
  migrations: options.migrations,
  jobs: options.jobs ?? [],
  subscriptions: options.subscriptions ?? [],
  checks: [
    ...(options.checks ?? []),
    ...(options.partitions === undefined ? [] : [Partitions.check(options.partitions)])
  ],
  partitions: options.partitions ?? [],
  settings: options.settings ?? []
})
