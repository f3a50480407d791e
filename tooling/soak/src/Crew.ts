/**
 * Worker processes under supervision: whichever is killed is started again, until the crew stops. A worker that ends in
 * any other way is a fault of the build.
 */
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { environment, up } from "./Settings.ts"

export interface Crew {
  readonly kill: (worker: number) => Effect.Effect<void>
  /** Stops it for a time, as a machine that is moved or swaps does, and lets it go on. */
  readonly freeze: (worker: number, millis: number) => Effect.Effect<void>
  /** When workers were killed, by us or by a poison job, in milliseconds. */
  readonly deaths: ReadonlyArray<number>
  /** How workers ended that were not killed, with the end of what they said. */
  readonly faults: ReadonlyArray<string>
  /** How often a worker noticed that it had been too slow for its lease, on a machine that was too busy for it. */
  readonly leasesLost: () => number
  /** SIGTERM to all; each must end with 0. */
  readonly stop: Effect.Effect<void>
  /** The last lines of every worker, to look for a mistake. */
  readonly logs: () => ReadonlyArray<string>
}

const logTail = 2_000

export const make = Effect.fn("Crew.make")(function* (options: {
  readonly workers: number
  readonly url: string
  /** The program of a worker. It prints `up` when it can stop in order. */
  readonly script: string
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>
}) {
  const deaths: Array<number> = []
  const faults: Array<string> = []
  const running = new Map<number, ServiceProcess.ServiceProcess>()
  let isStopping = false
  let leasesLost = 0
  const countLost = (service: ServiceProcess.ServiceProcess) =>
    (service.output() + service.log()).split("a lease was lost").length - 1

  const once = (worker: number) =>
    Effect.gen(function* () {
      const service = yield* ServiceProcess.start(options.script, [], {
        [environment.url]: options.url,
        [environment.worker]: String(worker),
        ...options.env
      })
      running.set(worker, service)
      const exit = yield* service.exit
      leasesLost += countLost(service)
      running.delete(worker)
      // One that has not come up yet cannot stop in order.
      if (isStopping && exit.signal === "SIGTERM" && !service.output().includes(up)) return
      if (exit.signal === "SIGKILL") {
        deaths.push(yield* Clock.currentTimeMillis)
        return
      }
      if (!isStopping || exit.code !== 0) {
        const said = (service.output() + service.log()).slice(-logTail)
        faults.push(`worker ${worker} ended with ${exit.code ?? exit.signal}: ${said}`)
      }
    }).pipe(Effect.scoped)

  const fibers = yield* Effect.forEach(Array.from({ length: options.workers }), (_, worker) =>
    once(worker).pipe(Effect.repeat({ while: () => !isStopping }), Effect.forkScoped)
  )

  const signal = (worker: number, name: NodeJS.Signals) =>
    Effect.suspend(() => running.get(worker)?.signal(name) ?? Effect.void)

  const crew: Crew = {
    kill: (worker) => signal(worker, "SIGKILL"),
    freeze: (worker, millis) =>
      Effect.suspend(() => {
        const frozen = running.get(worker)
        if (frozen === undefined) return Effect.void
        return frozen
          .signal("SIGSTOP")
          .pipe(Effect.andThen(Effect.sleep(millis)), Effect.ensuring(frozen.signal("SIGCONT")))
      }),
    deaths,
    faults,
    leasesLost: () => Array.from(running.values(), countLost).reduce((sum, count) => sum + count, leasesLost),
    stop: Effect.gen(function* () {
      isStopping = true
      yield* Effect.forEach(running.keys(), (worker) => signal(worker, "SIGTERM"), { discard: true })
      yield* Effect.forEach(fibers, Fiber.await, { discard: true })
    }),
    logs: () => Array.from(running.values(), (service) => (service.output() + service.log()).slice(-logTail))
  }
  return crew
})
