/**
 * The limit of an account as SQL: grants in effect, what expired grants have burnt, and what rolled over from the period before.
 *
 * The texts read the columns of a row `w`: `tenant`, `feature`, `subject`, `start`, `end`, `previous` (the start of the period
 * before, NULL without one) and `at` (when grants are judged).
 */

/** Grants burn by priority, then the one that expires soonest, then the oldest. */
const burnOrder = "c.priority, c.expires_at NULLS LAST, c.effective_at, c.grant_id"

/** The sum of the grants that burn before one. */
const amountBefore = `coalesce(sum(c.amount) OVER (ORDER BY ${burnOrder}
                                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)`

/**
 * Grants that count at an instant of a period: overrides replace plans, grants are added. A grant that does not recur counts in
 * the period that contains its beginning alone, so a boundary never counts it twice.
 */
const counted = (at: string, start: string, end: string) => `
  SELECT g.*
    FROM (
         SELECT g.*, bool_or(g.source = 'override') OVER () AS is_overridden
           FROM hm_quota_grant g
          WHERE g.tenant_id = w.tenant AND g.feature = w.feature AND g.subject = w.subject
            AND g.effective_at <= ${at}
            AND (g.expires_at IS NULL OR g.expires_at > ${at})
            AND (g.recurring OR (g.effective_at >= ${start} AND (${end} IS NULL OR g.effective_at < ${end})))
         ) g
   WHERE g.source <> 'plan' OR NOT g.is_overridden`

/** The sum that expired grants had burnt in a period. A revoked grant no longer counts. */
const burntOfExpired = (at: string, start: string) => `
  SELECT coalesce(sum(b.burnt), 0)
    FROM hm_quota_burn b
    JOIN hm_quota_grant g
      ON g.tenant_id = b.tenant_id AND g.feature = b.feature AND g.subject = b.subject AND g.grant_id = b.grant_id
   WHERE b.tenant_id = w.tenant AND b.feature = w.feature AND b.subject = w.subject AND b.period_start = ${start}
     AND g.expires_at <= ${at}`

/**
 * The rest at the end of the period before of grants that roll over, each up to its `rollover_max`. What rolled over into that
 * period burns first and does not roll over again. Open reservations count as used.
 */
export const rolledOver = `
  SELECT CASE WHEN w.previous IS NULL THEN 0
              ELSE (
                SELECT coalesce(sum(least(o.rollover_max,
                                          o.amount - greatest(0, least(o.amount, o.burnt - o.before)))), 0)
                  FROM (
                       SELECT c.*, u.burnt, ${amountBefore} AS before
                         FROM (${counted("w.start - interval '1 microsecond'", "w.previous", "w.start")}) c
                        CROSS JOIN (
                              SELECT greatest(0, coalesce((
                                       SELECT q.used + q.held - coalesce(q.rolled, 0)
                                         FROM hm_tenant_quota q
                                        WHERE q.tenant_id = w.tenant AND q.feature = w.feature AND q.subject = w.subject
                                          AND q.period_start = w.previous), 0)
                                     + coalesce((
                                       SELECT sum(d.used + d.held)
                                         FROM hm_quota_delta d
                                        WHERE d.tenant_id = w.tenant AND d.feature = w.feature AND d.subject = w.subject
                                          AND d.period_start = w.previous), 0)
                                     - (${burntOfExpired("w.start - interval '1 microsecond'", "w.previous")})) AS burnt
                              ) u
                       ) o
                 WHERE o.rollover_max IS NOT NULL
                   AND (o.expires_at IS NULL OR o.expires_at > w.start))
         END::bigint`

/** The limit, when what rolled over is `rolled`. */
export const quota = (rolled: string) => `
  SELECT least(999999999999999,
               coalesce((SELECT sum(c.amount) FROM (${counted("w.at", "w.start", 'w."end"')}) c), 0)
                 + (${burntOfExpired("w.at", "w.start")})
                 + ${rolled})::bigint`

/** The part of `used` that each grant that will expire has burnt. */
export const burntOfExpiring = (used: string, rolled: string) => `
  SELECT o.grant_id, o.burnt
    FROM (
         SELECT c.grant_id, c.expires_at,
                greatest(0, least(c.amount, ${used} - ${rolled} - (${burntOfExpired("w.at", "w.start")})
                                            - ${amountBefore}))::bigint AS burnt
           FROM (${counted("w.at", "w.start", 'w."end"')}) c
          WHERE c.amount IS NOT NULL
         ) o
   WHERE o.expires_at IS NOT NULL AND o.burnt > 0`
