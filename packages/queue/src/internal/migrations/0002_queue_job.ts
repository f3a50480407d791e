/**
 * Indexes that find a dead or delayed job by its id. A runnable job has none: every enqueue would pay for it.
 *
 * They begin with the id and not with the tenant, so that no statement about a tenant or a queue can mean them.
 */
import { tablesOf } from "../tables.ts"

export const statements = (prefix: string): ReadonlyArray<string> => {
  const { dead, delayed } = tablesOf(prefix)
  return [
    `DROP INDEX CONCURRENTLY IF EXISTS ${dead}_job`,
    `CREATE INDEX CONCURRENTLY ${dead}_job ON ${dead} (job_id)`,
    `DROP INDEX CONCURRENTLY IF EXISTS ${delayed}_job`,
    // The token of an ordering key is no job.
    `
  CREATE INDEX CONCURRENTLY ${delayed}_job
      ON ${delayed} (job_id)
   WHERE job_id IS NOT NULL
    `
  ]
}
