/**
 * The statements with which the writer stores a batch.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Batch, ProjectCount } from "./groupedBatch.ts"
import { hourOf, keyOf } from "./groupedBatch.ts"
import * as IssueState from "./issueState.ts"
import type { Submission } from "./submission.ts"

/** Distinct values of one tag of an issue. Further ones are in the events alone. */
const tagValuesMax = 200

const date = (millis: number): Date => new Date(millis)

/** The driver cannot send an array of nulls alone. No text of ours is empty, so that the statement makes null of it. */
const orEmpty = (text: string | null | undefined): string => text ?? ""

/** Users of each issue of the batch. */
const usersOf = ({ placed }: Batch) =>
  Array.from(
    new Map(
      placed.flatMap(({ event: { userKey }, issueId, rootId, tenantId }) =>
        userKey === null
          ? []
          : [[keyOf(tenantId, issueId, userKey), { tenantId, issueId, rootId, userKey }] as const]
      )
    ).values()
  )

export const make = (sql: SqlClient.SqlClient) => ({
  /** Writes users, issues, hashes, counts, tags, releases and events in one statement. */
  write: (parts: {
    readonly batch: Batch
    readonly counts: ReadonlyArray<ProjectCount>
    readonly submissions: ReadonlyArray<Submission>
    readonly itemIds: ReadonlyArray<string>
    readonly now: Date
  }) => {
    const { batch, counts, itemIds, now, submissions } = parts
    const users = usersOf(batch)
    const newKeys = new Set(batch.newIssues.map(({ issueId, tenantId }) => keyOf(tenantId, issueId)))
    const tallies = new Map(batch.tallies.map((tally) => [keyOf(tally.tenantId, tally.issueId), tally]))
    const made = batch.newIssues.map((issue) => ({
      ...issue,
      tally: tallies.get(keyOf(issue.tenantId, issue.issueId))
    }))
    const changed = batch.tallies.filter(({ issueId, tenantId }) => !newKeys.has(keyOf(tenantId, issueId)))
    const hours = new Map<string, { tenantId: string; issueId: string; hour: number; events: number }>()
    const tags = new Map<
      string,
      { tenantId: string; issueId: string; name: string; value: string; events: number; last: number }
    >()
    const releases = new Map<
      string,
      { tenantId: string; projectId: number; release: string; events: number; first: number; last: number }
    >()
    for (const { event, issueId, projectId, tenantId } of batch.placed) {
      const hour = hourOf(event.receivedAtMillis)
      const hourKey = keyOf(tenantId, issueId, hour)
      const inHour = hours.get(hourKey)
      hours.set(hourKey, { tenantId, issueId, hour, events: (inHour?.events ?? 0) + 1 })
      for (const [name, value] of event.tags) {
        const tagKey = keyOf(tenantId, issueId, name, value)
        const existing = tags.get(tagKey)
        tags.set(tagKey, {
          tenantId,
          issueId,
          name,
          value,
          events: (existing?.events ?? 0) + 1,
          last: Math.max(existing?.last ?? 0, event.occurredAtMillis)
        })
      }
      if (event.release === null) continue
      const releaseKey = keyOf(tenantId, projectId, event.release)
      const existing = releases.get(releaseKey)
      releases.set(releaseKey, {
        tenantId,
        projectId,
        release: event.release,
        events: (existing?.events ?? 0) + 1,
        first: Math.min(existing?.first ?? event.receivedAtMillis, event.receivedAtMillis),
        last: Math.max(existing?.last ?? 0, event.receivedAtMillis)
      })
    }
    const states = changed.map(({ state }) => (state === undefined ? undefined : IssueState.encode(state)))
    const statesOfNew = made.map(({ tally }) => IssueState.encode(tally?.state ?? { status: "unresolved" }))
    const hourRows = Array.from(hours.values())
    const tagRows = Array.from(tags.values())
    const releaseRows = Array.from(releases.values())
    const items = submissions.flatMap(({ items: own, projectId, tenantId }) =>
      own.map((item) => ({ ...item, tenantId, projectId }))
    )
    return sql`
      WITH
      -- Those that the issue itself has not seen.
      new_user AS (
        SELECT b.*
          FROM unnest(${users.map(({ tenantId }) => tenantId)}::text[],
                      ${users.map(({ issueId }) => issueId)}::uuid[],
                      ${users.map(({ rootId }) => rootId)}::uuid[],
                      ${users.map(({ userKey }) => userKey)}::text[]) AS b (tenant_id, issue_id, root_id, user_key)
         WHERE NOT EXISTS (
               SELECT
                 FROM hm_error_user u
                WHERE u.tenant_id = b.tenant_id AND u.issue_id = b.issue_id AND u.user_key = b.user_key AND u.is_own
               )
      ),
      -- The issue that shows a merged one has its users too.
      seen_user AS (
        SELECT tenant_id, issue_id, user_key, bool_or(is_own) AS is_own, sum(merged)::int AS merged
          FROM (
               SELECT tenant_id, issue_id, user_key, true AS is_own, 0 AS merged
                 FROM new_user
               UNION ALL
               SELECT tenant_id, root_id, user_key, false, 1
                 FROM new_user
                WHERE root_id <> issue_id
               ) sights
         GROUP BY tenant_id, issue_id, user_key
      ),
      user_row AS (
        INSERT INTO hm_error_user AS u (tenant_id, issue_id, user_key, is_own, merged)
        SELECT tenant_id, issue_id, user_key, is_own, merged
          FROM seen_user
            ON CONFLICT (tenant_id, issue_id, user_key)
            DO UPDATE SET is_own = u.is_own OR excluded.is_own, merged = u.merged + excluded.merged
      ),
      -- In one value: a join by nested loops would compare each issue of the batch with each.
      user_count AS (
        SELECT jsonb_object_agg(counted.tenant_id || ' ' || counted.issue_id, counted.users) AS users
          FROM (
               SELECT s.tenant_id, s.issue_id, count(*) AS users
                 FROM seen_user s
                WHERE NOT EXISTS (
                      SELECT
                        FROM hm_error_user u
                       WHERE u.tenant_id = s.tenant_id AND u.issue_id = s.issue_id AND u.user_key = s.user_key
                      )
                GROUP BY s.tenant_id, s.issue_id
               ) counted
      ),
      new_issue AS (
        INSERT INTO hm_error_issue (tenant_id, issue_id, project_id, kind, title, culprit, level, status, resolution, mute,
                                    event_count, user_count, first_seen, last_seen, first_release, last_release,
                                    recorded_at, updated_at)
        SELECT n.tenant_id, n.issue_id, n.project_id, n.kind, n.title, nullif(n.culprit, ''), n.level, n.status,
               nullif(n.resolution, '')::jsonb, nullif(n.mute, '')::jsonb, n.events,
               coalesce(((SELECT users FROM user_count) ->> (n.tenant_id || ' ' || n.issue_id))::int8, 0),
               n.first_seen, n.last_seen, nullif(n.first_release, ''), nullif(n.last_release, ''), n.at, n.at
          FROM unnest(${made.map(({ tenantId }) => tenantId)}::text[],
                      ${made.map(({ issueId }) => issueId)}::uuid[],
                      ${made.map(({ projectId }) => projectId)}::int4[],
                      ${made.map(({ first }) => first.kind)}::text[],
                      ${made.map(({ first }) => first.title)}::text[],
                      ${made.map(({ first }) => orEmpty(first.culprit))}::text[],
                      ${made.map(({ first }) => first.level)}::text[],
                      ${statesOfNew.map(({ status }) => status)}::text[],
                      ${statesOfNew.map(({ resolution }) => orEmpty(resolution))}::text[],
                      ${statesOfNew.map(({ mute }) => orEmpty(mute))}::text[],
                      ${made.map(({ tally }) => tally?.events ?? 0)}::int8[],
                      ${made.map(({ first, tally }) => date(tally?.firstMillis ?? first.occurredAtMillis))}::timestamptz[],
                      ${made.map(({ first, tally }) => date(tally?.lastMillis ?? first.occurredAtMillis))}::timestamptz[],
                      ${made.map(({ tally }) => orEmpty(tally?.firstRelease))}::text[],
                      ${made.map(({ tally }) => orEmpty(tally?.lastRelease))}::text[],
                      ${made.map(({ first }) => date(first.receivedAtMillis))}::timestamptz[])
               AS n (tenant_id, issue_id, project_id, kind, title, culprit, level, status, resolution, mute, events,
                     first_seen, last_seen, first_release, last_release, at)
      ),
      changed_issue AS (
        UPDATE hm_error_issue i
           SET event_count = i.event_count + c.events,
               user_count = i.user_count + coalesce(((SELECT users FROM user_count) ->> (c.tenant_id || ' ' || c.issue_id))::int8, 0),
               first_seen = least(i.first_seen, c.first_seen),
               last_seen = greatest(i.last_seen, c.last_seen),
               last_release = coalesce(nullif(c.last_release, ''), i.last_release),
               status = coalesce(nullif(c.status, ''), i.status),
               resolution = CASE WHEN c.status = '' THEN i.resolution ELSE nullif(c.resolution, '')::jsonb END,
               mute = CASE WHEN c.status = '' THEN i.mute ELSE nullif(c.mute, '')::jsonb END,
               regressed_at = coalesce(nullif(c.regressed_at, '')::timestamptz, i.regressed_at),
               version = i.version + c.raised,
               updated_at = CASE WHEN c.raised = 0 THEN i.updated_at ELSE greatest(i.updated_at, c.last_seen) END
          FROM unnest(${changed.map(({ tenantId }) => tenantId)}::text[],
                      ${changed.map(({ issueId }) => issueId)}::uuid[],
                      ${changed.map(({ events }) => events)}::int8[],
                      ${changed.map(({ firstMillis }) => date(firstMillis))}::timestamptz[],
                      ${changed.map(({ lastMillis }) => date(lastMillis))}::timestamptz[],
                      ${changed.map(({ lastRelease }) => orEmpty(lastRelease))}::text[],
                      ${states.map((state) => orEmpty(state?.status))}::text[],
                      ${states.map((state) => orEmpty(state?.resolution))}::text[],
                      ${states.map((state) => orEmpty(state?.mute))}::text[],
                      ${changed.map(({ regressedAtMillis: at }) => (at === null ? "" : date(at).toISOString()))}::text[],
                      ${changed.map(({ isVersionRaised }) => (isVersionRaised ? 1 : 0))}::int4[])
               AS c (tenant_id, issue_id, events, first_seen, last_seen, last_release, status, resolution, mute,
                     regressed_at, raised)
         WHERE i.tenant_id = c.tenant_id AND i.issue_id = c.issue_id
      ),
      -- A hash whose issue was deleted is led to the new one.
      new_hash AS (
        INSERT INTO hm_error_hash (tenant_id, project_id, hash, issue_id, recorded_at)
        SELECT n.tenant_id, n.project_id, n.hash, n.issue_id, ${now}
          FROM unnest(${batch.newHashes.map(({ tenantId }) => tenantId)}::text[],
                      ${batch.newHashes.map(({ projectId }) => projectId)}::int4[],
                      ${batch.newHashes.map(({ hash }) => hash)}::text[],
                      ${batch.newHashes.map(({ issueId }) => issueId)}::uuid[]) AS n (tenant_id, project_id, hash, issue_id)
            ON CONFLICT (tenant_id, project_id, hash)
            DO UPDATE SET issue_id = excluded.issue_id
      ),
      hour_row AS (
        INSERT INTO hm_error_hour AS h (tenant_id, issue_id, hour, events)
        SELECT *
          FROM unnest(${hourRows.map(({ tenantId }) => tenantId)}::text[],
                      ${hourRows.map(({ issueId }) => issueId)}::uuid[],
                      ${hourRows.map(({ hour }) => date(hour))}::timestamptz[],
                      ${hourRows.map(({ events }) => events)}::int8[])
            ON CONFLICT (tenant_id, issue_id, hour)
            DO UPDATE SET events = h.events + excluded.events
      ),
      tag_row AS (
        INSERT INTO hm_error_tag AS t (tenant_id, issue_id, name, value, events, last_seen)
        SELECT n.tenant_id, n.issue_id, n.name, n.value, n.events, n.last_seen
          FROM unnest(${tagRows.map(({ tenantId }) => tenantId)}::text[],
                      ${tagRows.map(({ issueId }) => issueId)}::uuid[],
                      ${tagRows.map(({ name }) => name)}::text[],
                      ${tagRows.map(({ value }) => value)}::text[],
                      ${tagRows.map(({ events }) => events)}::int8[],
                      ${tagRows.map(({ last }) => date(last))}::timestamptz[])
               AS n (tenant_id, issue_id, name, value, events, last_seen)
         WHERE EXISTS (
               SELECT
                 FROM hm_error_tag o
                WHERE o.tenant_id = n.tenant_id AND o.issue_id = n.issue_id AND o.name = n.name AND o.value = n.value
               )
            OR (
               SELECT count(*)
                 FROM hm_error_tag o
                WHERE o.tenant_id = n.tenant_id AND o.issue_id = n.issue_id AND o.name = n.name
               ) < ${tagValuesMax}
            ON CONFLICT (tenant_id, issue_id, name, value)
            DO UPDATE SET events = t.events + excluded.events, last_seen = greatest(t.last_seen, excluded.last_seen)
      ),
      release_row AS (
        INSERT INTO hm_error_release AS r (tenant_id, project_id, release, event_count, first_seen, last_seen)
        SELECT *
          FROM unnest(${releaseRows.map(({ tenantId }) => tenantId)}::text[],
                      ${releaseRows.map(({ projectId }) => projectId)}::int4[],
                      ${releaseRows.map(({ release }) => release)}::text[],
                      ${releaseRows.map(({ events }) => events)}::int8[],
                      ${releaseRows.map(({ first }) => date(first))}::timestamptz[],
                      ${releaseRows.map(({ last }) => date(last))}::timestamptz[])
            ON CONFLICT (tenant_id, project_id, release)
            DO UPDATE SET event_count = r.event_count + excluded.event_count,
                          last_seen = greatest(r.last_seen, excluded.last_seen)
      ),
      item_row AS (
        INSERT INTO hm_error_item (tenant_id, project_id, item_id, received_at, kind, event_id, name, bytes, payload)
        SELECT n.tenant_id, n.project_id, n.item_id, n.received_at, n.kind, nullif(n.event_id, '')::uuid, n.name, n.bytes, n.data
          FROM unnest(${items.map(({ tenantId }) => tenantId)}::text[],
                      ${items.map(({ projectId }) => projectId)}::int4[],
                      ${items.map((_, index) => itemIds[index] ?? "")}::uuid[],
                      ${items.map(({ receivedAtMillis }) => date(receivedAtMillis))}::timestamptz[],
                      ${items.map(({ kind }) => kind)}::text[],
                      ${items.map(({ eventId }) => orEmpty(eventId))}::text[],
                      ${items.map(({ name }) => name)}::text[],
                      ${items.map(({ bytes }) => bytes)}::int4[],
                      ${items.map(({ data }) => data)}::bytea[])
               AS n (tenant_id, project_id, item_id, received_at, kind, event_id, name, bytes, data)
      ),
      count_row AS (
        INSERT INTO hm_error_count AS c (tenant_id, project_id, day, category, outcome, reason, quantity)
        SELECT *
          FROM unnest(${counts.map(({ tenantId }) => tenantId)}::text[],
                      ${counts.map(({ projectId }) => projectId)}::int4[],
                      ${counts.map(({ dayMillis }) => date(dayMillis).toISOString().slice(0, 10))}::date[],
                      ${counts.map(({ category }) => category)}::text[],
                      ${counts.map(({ outcome }) => outcome)}::text[],
                      ${counts.map(({ reason }) => reason)}::text[],
                      ${counts.map(({ quantity }) => quantity)}::int8[])
            ON CONFLICT (tenant_id, project_id, day, category, outcome, reason)
            DO UPDATE SET quantity = c.quantity + excluded.quantity
      )
      INSERT INTO hm_error_log (tenant_id, issue_id, log_id, received_at, occurred_at, project_id, event_id, level, title,
                                release, environment, user_key, trace_id, is_skewed, payload)
      SELECT n.tenant_id, n.issue_id, n.log_id, n.received_at, n.occurred_at, n.project_id, n.event_id, n.level, n.title,
             nullif(n.release, ''), nullif(n.environment, ''), nullif(n.user_key, ''), nullif(n.trace_id, ''), n.is_skewed,
             n.data
        FROM unnest(${batch.placed.map(({ tenantId }) => tenantId)}::text[],
                    ${batch.placed.map(({ issueId }) => issueId)}::uuid[],
                    ${batch.placed.map(({ logId }) => logId)}::uuid[],
                    ${batch.placed.map(({ event }) => date(event.receivedAtMillis))}::timestamptz[],
                    ${batch.placed.map(({ event }) => date(event.occurredAtMillis))}::timestamptz[],
                    ${batch.placed.map(({ projectId }) => projectId)}::int4[],
                    ${batch.placed.map(({ event }) => event.eventId)}::uuid[],
                    ${batch.placed.map(({ event }) => event.level)}::text[],
                    ${batch.placed.map(({ event }) => event.title)}::text[],
                    ${batch.placed.map(({ event }) => orEmpty(event.release))}::text[],
                    ${batch.placed.map(({ event }) => orEmpty(event.environment))}::text[],
                    ${batch.placed.map(({ event }) => orEmpty(event.userKey))}::text[],
                    ${batch.placed.map(({ event }) => orEmpty(event.traceId))}::text[],
                    ${batch.placed.map(({ event }) => event.isSkewed)}::bool[],
                    ${batch.placed.map(({ event }) => event.data)}::bytea[])
             AS n (tenant_id, issue_id, log_id, received_at, occurred_at, project_id, event_id, level, title, release,
                   environment, user_key, trace_id, is_skewed, data)
    `
  }
})
