/** A run in progress in this process. */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import type * as Workflow from "effect/workflow/Workflow"
import type * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { keyOf, type TaskKey, type TaskRow } from "./rows.ts"

/** The run has lost its execution: it was killed, or another worker runs it after a lost lease. */
export class RunLost extends Schema.TaggedError<RunLost>()("RunLost", {}) {
  override get message(): string {
    return "The execution was killed, or it runs in another worker"
  }
}

/** The runs of one job: the first one, and those that follow it because something has arrived. */
export class RunSession {
  readonly tenantId: string
  readonly executionId: string
  /** Names the session in the row of the execution: what it records after it has lost the row is refused. */
  readonly runId: string
  /** Recorded results by task. */
  readonly results = new Map<string, string>()
  /** Clocks that are scheduled, by name. */
  readonly clocks = new Set<string>()
  /** Activities that go on while their run is suspended by an arrival: the next run waits for them. */
  readonly inFlight = new Map<string, Fiber.Fiber<Workflow.Result<unknown, unknown>>>()
  current: ActiveRun | undefined

  constructor(options: Pick<RunSession, "tenantId" | "executionId" | "runId">) {
    this.tenantId = options.tenantId
    this.executionId = options.executionId
    this.runId = options.runId
  }

  /** Adds what is recorded. */
  add(tasks: ReadonlyArray<TaskRow>): void {
    for (const task of tasks) {
      if (task.isClock) this.clocks.add(task.name)
      if (task.result !== null) this.results.set(keyOf(task), task.result)
    }
  }
}

export class ActiveRun {
  readonly session: RunSession
  readonly tenantId: string
  readonly executionId: string
  readonly runId: string
  readonly startedAtMillis: number
  readonly instance: WorkflowEngine.WorkflowInstance["Service"]
  /** Names that an activity of the run waits for: they wake the run once it has suspended. */
  readonly activityAwaits = new Map<string, number>()
  isCancelled: boolean
  /** Runs again when it suspends: it has completed itself what it waits for. */
  isRepeated = false
  /** Suspended by an arrival: its activities go on. */
  isPreempted = false
  /** Ends without a result: the process stops, or the execution runs elsewhere. */
  isAbandoned = false
  /** Why it ended without a result; undefined when the process stops. */
  lost: Cause.Cause<unknown> | undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** In the order in which they were recorded. */
  private readonly recorded: ReadonlyArray<TaskRow>
  private readonly asked = new Set<string>()
  /** Places in `recorded` by task. */
  private readonly places: ReadonlyMap<string, number>
  /** The greatest place of an activity that the run asked for; infinite once it asked for one that is not recorded. */
  private askedPlace = -1
  /** Place of the last race that the run took the result of. What was recorded before it may be a branch of it. */
  private racePlace = -1

  constructor(options: {
    readonly session: RunSession
    readonly startedAtMillis: number
    readonly instance: WorkflowEngine.WorkflowInstance["Service"]
    readonly isCancelled: boolean
    readonly tasks: ReadonlyArray<TaskRow>
  }) {
    const { session } = options
    this.session = session
    this.tenantId = session.tenantId
    this.executionId = session.executionId
    this.runId = session.runId
    this.startedAtMillis = options.startedAtMillis
    this.instance = options.instance
    this.isCancelled = options.isCancelled
    this.recorded = options.tasks
    this.places = new Map(options.tasks.map((task, place) => [keyOf(task), place]))
    session.add(options.tasks)
    session.current = this
  }

  get results(): Map<string, string> {
    return this.session.results
  }

  /** Also of a run that an arrival has suspended, and whose activity goes on. */
  get isCancelRequested(): boolean {
    return (this.session.current ?? this).isCancelled
  }

  get clocks(): Set<string> {
    return this.session.clocks
  }

  /** Returns the recorded result of a task, and notes that the run asked for it. */
  ask(task: TaskKey): string | undefined {
    const key = keyOf(task)
    const place = this.places.get(key)
    this.asked.add(key)
    if (task.kind === "activity")
      this.askedPlace = Math.max(this.askedPlace, place ?? Number.POSITIVE_INFINITY)
    else if (place !== undefined && this.askedPlace < place && this.recorded[place]?.isRace === true) {
      this.racePlace = place
    }
    return this.results.get(key)
  }

  /**
   * Returns names of recorded activities that the run did not ask for. A run that takes the result of a race does not run
   * its branches: their activities are left out.
   */
  unasked(max: number): ReadonlyArray<string> {
    return this.recorded
      .filter(
        (task, place) =>
          task.kind === "activity" &&
          task.result !== null &&
          place > this.racePlace &&
          !this.asked.has(keyOf(task))
      )
      .slice(0, max)
      .map((task) => task.name)
  }

  /** Runs the finalizers of resources, and none of the workflow's: another run will. */
  abandon(): void {
    this.isAbandoned = true
    this.instance.abandoned = true
    this.instance.suspended = false
  }

  /** Ends the run without a result. */
  lose(cause: Cause.Cause<unknown>): void {
    if (this.isAbandoned) return
    this.lost = cause
    this.abandon()
    this.fiber?.interruptUnsafe()
  }

  /** Suspends a run that waits for a name whose result has arrived. */
  preempt(name: string): void {
    if (this.isAbandoned || !this.instance.awaitedDeferreds.has(name)) return
    this.isPreempted = true
    this.instance.suspended = true
    this.fiber?.interruptUnsafe()
  }
}

/** The run that a fiber belongs to. */
export class CurrentRun extends Context.Service<CurrentRun, ActiveRun>()(
  "@hypermarket/events/internal/workflow/CurrentRun"
) {}
