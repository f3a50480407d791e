/** The workers of a connection. */
import type * as Config from "effect/Config"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { hasProperty, isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as BoundedInt from "../../BoundedInt.ts"
import { type InvalidArgument, invalidArgument } from "../../CallError.ts"
import type * as Database from "../../Database.ts"
import type * as Domain from "../../Domain.ts"
import type { InputError } from "../../InputErrors.ts"
import * as Job from "../../Job.ts"
import * as Reserved from "../../Reserved.ts"
import { Tenant, type TenantId } from "../../Tenant.ts"
import type * as Work from "../../Work.ts"
import { decoderOf } from "./arguments.ts"
import { atSite, siteOf, type Thrown } from "./calls.ts"

const concurrencyDefault = 4
const deadlineMillisDefault = 60_000
const batchDefault = 100

/** A worker claims at most this many jobs at once: a larger batch would never be full. */
const batchLimit = 500

const timePattern = /^(\d{1,9}) ?(millis|seconds?|minutes?|hours?|days?)$/
const unitMillis: Readonly<Record<string, number>> = {
  millis: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000
}

/** Milliseconds, or text such as "30 seconds". */
const Time = Schema.Union([
  BoundedInt.make({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  Schema.String.check(
    Schema.isPattern(timePattern, { message: "Expected milliseconds, or text such as 30 seconds" })
  )
])

const millisOf = (time: number | string): number => {
  if (typeof time === "number") return time
  const [, count = "0", unit = ""] = timePattern.exec(time) ?? []
  return Number(count) * (unitMillis[unit] ?? unitMillis[unit.slice(0, -1)] ?? 0)
}

const Options = Schema.Struct({
  queue: Reserved.QueueName,
  batch: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: batchLimit })),
  concurrency: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 1_000 })),
  deadline: Schema.optionalKey(Time),
  transactional: Schema.optionalKey(Schema.Boolean),
  retry: Schema.optionalKey(
    Schema.Struct({
      attempts: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 1_000 })),
      base: Schema.optionalKey(Time),
      max: Schema.optionalKey(Time),
      backoff: Schema.optionalKey(Schema.Literals(["exponential", "fixed"]))
    })
  )
})
const decodeOptions = decoderOf(Options)

/** The second argument of a handler. */
export interface CallContext {
  readonly tenant: object
  readonly query: (text: string, values?: ReadonlyArray<unknown>) => Promise<unknown>
  readonly signal: AbortSignal
}

type RunJob = (job: Work.Job, context: CallContext) => PromiseLike<unknown>

type RunBatch = (
  jobs: ReadonlyArray<Work.Job>,
  context: CallContext & { readonly fail: (job: unknown, error: unknown) => void }
) => PromiseLike<unknown>

/** The function of a handler: of one job, or of several. */
type Body =
  | { readonly _tag: "Single"; readonly run: RunJob }
  | { readonly _tag: "Batch"; readonly run: RunBatch }

/** Runs a call of a handler for a tenant. */
type RunCall = <A>(
  tenant: TenantId,
  body: (context: CallContext) => PromiseLike<A>
) => Effect.Effect<A, Thrown>

/** Handlers and workflows that are valid. */
export interface Checked {
  readonly handlers: ReadonlyArray<typeof Options.Type & { readonly body: Body }>
  readonly workflows: ReadonlyArray<Work.Workflow>
  readonly withDomains: boolean
}

const isRun = (value: unknown): value is RunJob => typeof value === "function"

const isRunBatch = (value: unknown): value is RunBatch => typeof value === "function"

/** Returns the function of a handler, or what is wrong with it. */
const bodyOf = (run: unknown, runBatch: unknown, hasBatch: boolean): Result.Result<Body, string> => {
  if (run !== undefined && runBatch !== undefined) return Result.fail("Expected either run or runBatch")
  if (isRunBatch(runBatch)) return Result.succeed({ _tag: "Batch", run: runBatch })
  if (runBatch !== undefined) return Result.fail("Expected a function in runBatch")
  if (!isRun(run)) return Result.fail("Expected a function")
  if (hasBatch) return Result.fail("Expected runBatch, which gets the jobs of a batch")
  return Result.succeed({ _tag: "Single", run })
}

const isWorkflow = (value: unknown): value is Work.Workflow =>
  isObject(value) && hasProperty(value, "name") && hasProperty(value, "version")

const checkHandlers = (input: unknown, errors: Array<InputError>): Checked["handlers"] => {
  if (!Array.isArray(input)) {
    errors.push({ path: [0], message: "Expected a list of handlers" })
    return []
  }
  return input.flatMap((entry: unknown, index) => {
    const fields = { run: undefined, runBatch: undefined, ...(isObject(entry) ? entry : {}) }
    const { run, runBatch, ...rest } = fields
    const body = bodyOf(run, runBatch, "batch" in rest && rest.batch !== undefined)
    if (Result.isFailure(body)) {
      const name = runBatch === undefined ? "run" : "runBatch"
      errors.push({ path: [0, index, name], message: body.failure })
    }
    const decoded = decodeOptions(rest, [0, index])
    if (Result.isFailure(decoded)) errors.push(...decoded.failure)
    return Result.isSuccess(decoded) && Result.isSuccess(body)
      ? [{ ...decoded.success, body: body.success }]
      : []
  })
}

const checkWorkflows = (input: unknown, errors: Array<InputError>): ReadonlyArray<Work.Workflow> => {
  if (input === undefined) return []
  if (Array.isArray(input) && input.every(isWorkflow)) return input
  errors.push({ path: [1, "workflows"], message: "Expected a list of workflows of defineWorkflow" })
  return []
}

/** Checks the arguments of `work`. */
export const check = (handlers: unknown, options: unknown): Result.Result<Checked, InvalidArgument> => {
  const errors: Array<InputError> = []
  const fields: Readonly<Record<string, unknown>> = isObject(options) ? { ...options } : {}
  for (const name of Object.keys(fields)) {
    if (name !== "workflows" && name !== "domains") {
      errors.push({ path: [1, name], message: "Expected no such option" })
    }
  }
  const { domains = true, workflows } = fields
  if (typeof domains !== "boolean") errors.push({ path: [1, "domains"], message: "Expected true or false" })
  const checked: Checked = {
    handlers: checkHandlers(handlers, errors),
    workflows: checkWorkflows(workflows, errors),
    withDomains: domains === true
  }
  return errors.length === 0 ? Result.succeed(checked) : Result.fail(invalidArgument("work", ...errors))
}

/** The jobs that a call has failed. Its end closes the list: a later failure would be lost. */
const failuresOf = (jobs: ReadonlyArray<Work.Job>) => {
  const failed: Array<Work.FailedJob> = []
  let isEnded = false
  const fail = (job: unknown, error: unknown) => {
    const own = jobs.find((candidate) => candidate === job)
    if (own === undefined || isEnded) {
      const message = isEnded ? "Expected a call that has not ended" : "Expected a job of this call"
      throw atSite(invalidArgument("fail", { path: [0], message }), siteOf(fail))
    }
    failed.push({ job: own, error })
  }
  const end = () => {
    isEnded = true
  }
  return { failed, fail, end }
}

/** Rolls back a call in a transaction that failed some of its jobs. The worker then runs each of them alone. */
class SomeFailed extends Error {}

export const make = (options: {
  readonly database: Database.Options
  readonly domains: ReadonlyArray<Domain.Any>
  readonly context: Context.Context<never>
  readonly call: RunCall
  /** In the transaction of the effect's context. */
  readonly callInTransaction: RunCall
}) => {
  const running = new Set<Effect.Effect<void>>()

  const runBody = async (
    { body, transactional }: Checked["handlers"][number],
    jobs: ReadonlyArray<Work.Job>,
    context: CallContext
  ): Promise<ReadonlyArray<Work.FailedJob>> => {
    const { end, fail, failed } = failuresOf(jobs)
    const [job] = jobs
    try {
      if (body._tag === "Batch") await body.run(jobs, { ...context, fail })
      else if (job !== undefined) await body.run(job, context)
    } finally {
      end()
    }
    if (transactional === true && jobs.length > 1 && failed.length > 0) throw new SomeFailed()
    return failed
  }

  const runnableOf = (handler: Checked["handlers"][number]): Work.Runnable => ({
    queue: handler.queue,
    transactional: handler.transactional === true,
    batchMax: handler.body._tag === "Single" ? 1 : (handler.batch ?? batchDefault),
    concurrency: handler.concurrency ?? concurrencyDefault,
    deadlineMillis: millisOf(handler.deadline ?? deadlineMillisDefault),
    retry: {
      attempts: handler.retry?.attempts ?? Job.retryDefault.attempts,
      base: handler.retry?.base === undefined ? Job.retryDefault.base : millisOf(handler.retry.base),
      max: handler.retry?.max === undefined ? Job.retryDefault.max : millisOf(handler.retry.max),
      ...(handler.retry?.backoff === undefined ? {} : { backoff: handler.retry.backoff })
    },
    run: (jobs) =>
      Effect.flatMap(Tenant, ({ id }) => {
        const call = handler.transactional === true ? options.callInTransaction : options.call
        return call(id, (context) => runBody(handler, jobs, context)).pipe(
          Effect.mapError(({ error }) => error)
        )
      })
  })

  const start = Effect.fnUntraced(function* (
    checked: Checked
  ): Effect.fn.Return<Work.Worker, SqlError | Config.ConfigError> {
    const runner = options.domains.find((domain) => domain.worker !== undefined)?.worker
    if (runner === undefined) return yield* Effect.die(new TypeError("work needs the domain events"))
    const scope = Scope.makeUnsafe()
    yield* runner({
      database: options.database,
      domains: checked.withDomains ? options.domains : [],
      handlers: checked.handlers.map(runnableOf),
      workflows: checked.workflows
    }).pipe(
      // `connect` builds the domains with these services; the type of the context does not name them.
      Effect.provideContext(options.context as Context.Context<Domain.Infrastructure>),
      Effect.provideService(Scope.Scope, scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    const stop = Effect.suspend(() => {
      running.delete(stop)
      return Scope.close(scope, Exit.void)
    })
    running.add(stop)
    let stopping: Promise<void> | undefined
    const stopOnce = () => (stopping ??= Effect.runPromise(stop))
    return { stop: stopOnce, [Symbol.asyncDispose]: stopOnce }
  })

  /** Stops the workers that run. */
  const stopAll = Effect.suspend(() =>
    Effect.forEach(Array.from(running), (stop) => stop, { concurrency: "unbounded", discard: true })
  )

  return { start, stopAll }
}
