/**
 * A reference model of issues, written from their specification: it reads the steps of a run in the order in which they
 * happened, and returns the states, counts and alerts that there must be.
 */
interface Resolved {
  readonly status: "resolved"
  readonly in: "now" | "release" | "next release"
  readonly at: number
  /** The number of the release that is compared with. */
  readonly base: number | null
}

interface Muted {
  readonly status: "muted"
  readonly until: number | null
  left: number | null
  readonly window: { readonly events: number; readonly minutes: number } | null
  readonly seen: Array<number>
  readonly escalating: boolean
}

type State = { readonly status: "unresolved" } | Resolved | Muted

interface Event {
  readonly kind: "event"
  readonly issueId: string
  readonly receivedAt: number
  readonly occurredAt: number
  /** The number of its release. */
  readonly release: number | null
  readonly user: string
}

export type Step =
  | Event
  | {
      readonly kind: "resolved"
      readonly issueId: string
      readonly in: Resolved["in"]
      readonly at: number
      readonly release: number | null
    }
  | {
      readonly kind: "muted"
      readonly issueId: string
      readonly mute: Pick<Muted, "until" | "left" | "window" | "escalating">
    }
  | { readonly kind: "reopened"; readonly issueId: string }
  | { readonly kind: "merged"; readonly issueId: string; readonly sources: ReadonlyArray<string> }
  | { readonly kind: "unmerged"; readonly issueId: string; readonly source: string }
  | { readonly kind: "mutes-ended"; readonly issueIds: ReadonlyArray<string> }

class ModelIssue {
  state: State = { status: "unresolved" }
  root: ModelIssue | undefined
  version = 1
  readonly events: Array<Event> = []
  readonly alerts: Array<string> = ["created"]
}

const hourOf = (millis: number) => Math.floor(millis / 3_600_000)

export class IssueModel {
  readonly issues = new Map<string, ModelIssue>()
  #newest: number | null = null
  readonly illegal: Array<string> = []

  #of(issueId: string): ModelIssue {
    const existing = this.issues.get(issueId)
    if (existing !== undefined) return existing
    const made = new ModelIssue()
    this.issues.set(issueId, made)
    return made
  }

  membersOf(issue: ModelIssue): ReadonlyArray<ModelIssue> {
    return Array.from(this.issues.values()).filter((other) => other.root === issue)
  }

  /** The events that the issue shows. */
  eventsOf(issue: ModelIssue): ReadonlyArray<Event> {
    return [issue, ...this.membersOf(issue)].flatMap(({ events }) => events)
  }

  #regresses(state: Resolved, { occurredAt, release }: Event): boolean {
    if (state.in === "now" || state.base === null || release === null) return occurredAt > state.at
    return state.in === "release" ? release >= state.base : release > state.base
  }

  /** True when the event is the one that ends the mute. */
  #ends(root: ModelIssue, mute: Muted, { receivedAt }: Event): boolean {
    if (mute.until !== null && receivedAt >= mute.until) return true
    if (mute.left !== null && --mute.left === 0) return true
    if (mute.window !== null) {
      mute.seen.push(receivedAt)
      const first = mute.seen.at(-mute.window.events)
      if (first !== undefined && receivedAt - first <= mute.window.minutes * 60_000) return true
    }
    const inHour = this.eventsOf(root).filter((event) => hourOf(event.receivedAt) === hourOf(receivedAt))
    // All events of a run are of one hour.
    return mute.escalating && inHour.length > 10
  }

  #happened(event: Event): void {
    const home = this.#of(event.issueId)
    const root = home.root ?? home
    home.events.push(event)
    if (event.release !== null) this.#newest = Math.max(this.#newest ?? 0, event.release)
    const { state } = root
    const alert =
      state.status === "resolved" && this.#regresses(state, event)
        ? "regressed"
        : state.status === "muted" && this.#ends(root, state, event)
          ? "unmuted"
          : undefined
    if (alert === undefined) return
    root.state = { status: "unresolved" }
    root.version++
    root.alerts.push(alert)
  }

  #join(target: ModelIssue, source: ModelIssue): void {
    source.root = target
    source.version++
    target.version++
  }

  #change(issue: ModelIssue, state: State): void {
    issue.state = state
    issue.version++
  }

  take(step: Step): void {
    if (step.kind === "event") return this.#happened(step)
    if (step.kind === "mutes-ended") {
      for (const issueId of step.issueIds) {
        const issue = this.#of(issueId)
        if (issue.root !== undefined || issue.state.status !== "muted" || issue.state.until === null) {
          this.illegal.push(`${step.kind} ${issueId}`)
        }
        this.#change(issue, { status: "unresolved" })
        issue.alerts.push("unmuted")
      }
      return
    }
    const issue = this.#of(step.issueId)
    if (issue.root !== undefined) this.illegal.push(`${step.kind} of a merged issue`)
    switch (step.kind) {
      case "resolved": {
        const base = step.in === "next release" ? this.#newest : step.release
        return this.#change(issue, { status: "resolved", in: step.in, at: step.at, base })
      }
      case "muted":
        return this.#change(issue, { status: "muted", seen: [], ...step.mute })
      case "reopened":
        if (issue.state.status !== "unresolved") this.#change(issue, { status: "unresolved" })
        return
      case "merged":
        for (const source of step.sources.map((id) => this.#of(id))) {
          if (source.root === issue) continue
          if (source.root !== undefined || source === issue) this.illegal.push("merge of a merged issue")
          for (const member of this.membersOf(source)) {
            // Out of one, and into the other.
            member.version++
            source.version++
            this.#join(issue, member)
          }
          this.#join(issue, source)
        }
        return
      case "unmerged": {
        const source = this.#of(step.source)
        if (source.root !== issue) this.illegal.push("unmerge of another issue")
        source.root = undefined
        source.version++
        issue.version++
      }
    }
  }
}
