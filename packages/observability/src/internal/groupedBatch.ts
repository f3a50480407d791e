/**
 * Decides a batch: which issue each event belongs to, and how it changes the issue's state. Pure: the rows were read under
 * the lock of their projects.
 */
import type { IssueChange } from "./issueAlert.ts"
import * as Lifecycle from "./lifecycle.ts"
import type { StoredEvent } from "./storedEvent.ts"
import type { Count, Submission } from "./submission.ts"

export interface Entry {
  readonly tenantId: string
  readonly projectId: number
  readonly event: StoredEvent
}

export interface Entered extends Entry {
  readonly logId: string
}

/** The issue of a hash, and the one it is merged into, itself otherwise. */
export interface HashRow {
  readonly tenantId: string
  readonly projectId: number
  readonly hash: string
  readonly issueId: string
  readonly root:
    | {
        readonly issueId: string
        readonly title: string
        readonly level: string
        readonly state: Lifecycle.State
      }
    | undefined
}

export interface ReleaseRow {
  readonly tenantId: string
  readonly projectId: number
  readonly release: string
  readonly firstSeenMillis: number
}

export interface NewIssue {
  readonly tenantId: string
  readonly projectId: number
  readonly issueId: string
  readonly first: StoredEvent
}

/** Counts of an issue in the batch, with the events of issues that are merged into it. */
export interface Tally {
  readonly tenantId: string
  readonly issueId: string
  events: number
  firstMillis: number
  lastMillis: number
  firstRelease: string | null
  lastRelease: string | null
  /** The state after the batch, when it has changed. */
  state: Lifecycle.State | undefined
  isVersionRaised: boolean
  regressedAtMillis: number | null
}

export interface Placed extends Entered {
  readonly issueId: string
  readonly rootId: string
}

export interface Changed extends IssueChange {
  readonly tenantId: string
}

export interface Batch {
  readonly placed: ReadonlyArray<Placed>
  readonly newIssues: ReadonlyArray<NewIssue>
  readonly newHashes: ReadonlyArray<{
    readonly tenantId: string
    readonly projectId: number
    readonly hash: string
    readonly issueId: string
  }>
  readonly tallies: ReadonlyArray<Tally>
  readonly changes: ReadonlyArray<Changed>
}

export const keyOf = (...parts: ReadonlyArray<string | number>): string => parts.join("\u0001")

/** The first of events that were sent twice in one batch. */
export const distinct = (
  entries: ReadonlyArray<Entry>,
  logIds: ReadonlyArray<string>
): ReadonlyArray<Entered> => {
  const seen = new Set<string>()
  return entries.flatMap((entry, index) => {
    const key = keyOf(entry.tenantId, entry.projectId, entry.event.eventId)
    const logId = logIds[index]
    if (seen.has(key) || logId === undefined) return []
    seen.add(key)
    return [{ ...entry, logId }]
  })
}

interface Home {
  readonly issueId: string
  readonly rootId: string
  readonly isNew: boolean
}

interface Root {
  readonly title: string
  readonly level: string
  state: Lifecycle.State
}

const hourMillis = 3_600_000
const dayLengthMillis = 24 * hourMillis

export const hourOf = (millis: number): number => Math.floor(millis / hourMillis) * hourMillis

export const group = (
  entered: ReadonlyArray<Entered>,
  rows: ReadonlyArray<HashRow>,
  releases: ReadonlyArray<ReleaseRow>,
  hours: ReadonlyMap<string, Lifecycle.Hours>,
  candidates: ReadonlyArray<string>
): Batch => {
  const homes = new Map<string, Home>()
  const roots = new Map<string, Root>()
  for (const { hash, issueId, projectId, root, tenantId } of rows) {
    // A hash whose issue was deleted leads nowhere: its next event makes an issue.
    if (root === undefined) continue
    homes.set(keyOf(tenantId, projectId, hash), { issueId, rootId: root.issueId, isNew: false })
    roots.set(keyOf(tenantId, root.issueId), { title: root.title, level: root.level, state: root.state })
  }
  const firstSeen = new Map(
    releases.map((row) => [keyOf(row.tenantId, row.projectId, row.release), row.firstSeenMillis])
  )
  const placed: Array<Placed> = []
  const newIssues: Array<NewIssue> = []
  const newHashes: Array<Batch["newHashes"][number]> = []
  const tallies = new Map<string, Tally>()
  const changes: Array<Changed> = []
  const hourCounts = new Map<string, number>()

  const tallyOf = (tenantId: string, issueId: string, event: StoredEvent): Tally => {
    const key = keyOf(tenantId, issueId)
    const existing = tallies.get(key)
    if (existing !== undefined) return existing
    const tally: Tally = {
      tenantId,
      issueId,
      events: 0,
      firstMillis: event.occurredAtMillis,
      lastMillis: event.occurredAtMillis,
      firstRelease: event.release,
      lastRelease: null,
      state: undefined,
      isVersionRaised: false,
      regressedAtMillis: null
    }
    tallies.set(key, tally)
    return tally
  }

  const add = (tally: Tally, event: StoredEvent): void => {
    tally.events++
    tally.firstMillis = Math.min(tally.firstMillis, event.occurredAtMillis)
    tally.lastMillis = Math.max(tally.lastMillis, event.occurredAtMillis)
    if (event.release !== null) tally.lastRelease = event.release
  }

  for (const [index, entry] of entered.entries()) {
    const { event, projectId, tenantId } = entry
    const keys = event.hashes.map((hash) => keyOf(tenantId, projectId, hash))
    const formerKeys = event.formerHashes.map((hash) => keyOf(tenantId, projectId, hash))
    const hit = [...keys, ...formerKeys].map((key) => homes.get(key)).find((home) => home !== undefined)
    const candidate = candidates[index] ?? ""
    const home: Home = hit ?? { issueId: candidate, rootId: candidate, isNew: true }
    if (hit === undefined) {
      newIssues.push({ tenantId, projectId, issueId: candidate, first: event })
      roots.set(keyOf(tenantId, candidate), {
        title: event.title,
        level: event.level,
        state: { status: "unresolved" }
      })
      changes.push({
        tenantId,
        projectId,
        issueId: candidate,
        change: "created",
        title: event.title,
        level: event.level,
        release: event.release,
        atMillis: event.receivedAtMillis
      })
    }
    for (const [position, key] of keys.entries()) {
      const hash = event.hashes[position]
      if (homes.has(key) || hash === undefined) continue
      homes.set(key, home)
      newHashes.push({ tenantId, projectId, hash, issueId: home.issueId })
    }
    placed.push({ ...entry, issueId: home.issueId, rootId: home.rootId })
    add(tallyOf(tenantId, home.issueId, event), event)
    const tally = tallyOf(tenantId, home.rootId, event)
    if (home.rootId !== home.issueId) add(tally, event)

    const rootKey = keyOf(tenantId, home.rootId)
    const root = roots.get(rootKey)
    if (root === undefined) continue
    const inBatch = (hourCounts.get(rootKey) ?? 0) + 1
    hourCounts.set(rootKey, inBatch)
    const stored = hours.get(rootKey) ?? { current: 0, highest: 0 }
    const { change, state } = Lifecycle.step(
      root.state,
      {
        occurredAtMillis: event.occurredAtMillis,
        receivedAtMillis: event.receivedAtMillis,
        release: event.release,
        releaseFirstSeenMillis:
          event.release === null ? null : (firstSeen.get(keyOf(tenantId, projectId, event.release)) ?? null)
      },
      { current: stored.current + inBatch, highest: stored.highest }
    )
    if (state !== root.state) {
      root.state = state
      tally.state = state
    }
    if (change === undefined) continue
    tally.isVersionRaised = true
    if (change === "regressed") tally.regressedAtMillis = event.receivedAtMillis
    changes.push({
      tenantId,
      projectId,
      issueId: home.rootId,
      change,
      title: root.title,
      level: root.level,
      release: event.release,
      atMillis: event.receivedAtMillis
    })
  }
  return { placed, newIssues, newHashes, tallies: Array.from(tallies.values()), changes }
}

export interface ProjectCount extends Count {
  readonly tenantId: string
  readonly projectId: number
  readonly dayMillis: number
}

/**
 * The counts of submissions: their events are stored once, and further ones with the same id are dropped. Those that are held
 * are counted when a worker stores them.
 */
export const countsOf = (
  submissions: ReadonlyArray<Submission>,
  entered: ReadonlyArray<Entered>,
  held: ReadonlyArray<Entered>
): ReadonlyArray<ProjectCount> => {
  const counts = new Map<string, ProjectCount>()
  const add = (count: ProjectCount) => {
    const { category, dayMillis, outcome, projectId, reason, tenantId } = count
    const key = keyOf(tenantId, projectId, dayMillis, category, outcome, reason)
    counts.set(key, { ...count, quantity: (counts.get(key)?.quantity ?? 0) + count.quantity })
  }
  const stored = new Set(entered.map(({ event }) => event))
  const waiting = new Set(held.map(({ event }) => event))
  for (const { counts: own, events, items, projectId, receivedAtMillis, tenantId } of submissions) {
    const day = {
      tenantId,
      projectId,
      dayMillis: Math.floor(receivedAtMillis / dayLengthMillis) * dayLengthMillis
    }
    for (const count of own) add({ ...day, ...count })
    for (const { kind } of items) add({ ...day, category: kind, outcome: "stored", reason: "", quantity: 1 })
    for (const event of events) {
      if (waiting.has(event)) continue
      const outcome = stored.has(event)
        ? ({ outcome: "stored", reason: "" } as const)
        : ({ outcome: "dropped", reason: "duplicate" } as const)
      add({ ...day, category: "error", ...outcome, quantity: 1 })
    }
  }
  return Array.from(counts.values())
}
