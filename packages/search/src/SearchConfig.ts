/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"

const megabyte = 1024 * 1024

/**
 * @category settings
 * @since 0.1.0
 */
export const residentBytes = Setting.make({
  name: "HM_SEARCH_RESIDENT_BYTES",
  doc: "Memory for segments and pending changes of the indexes a process searches, in bytes; a million products take about 83 MB. With 0 every search reads its postings from Postgres.",
  read: (name) => Config.Int(name),
  defaultValue: 256 * megabyte
})

/**
 * @category settings
 * @since 0.1.0
 */
export const ownPartitionDocuments = Setting.make({
  name: "HM_SEARCH_PARTITION_DOCUMENTS",
  doc: "From this many documents on a version has partitions of its own; smaller ones share one.",
  read: (name) => Config.Int(name),
  defaultValue: 50_000
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [residentBytes, ownPartitionDocuments]
