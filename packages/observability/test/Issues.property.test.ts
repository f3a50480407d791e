import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import { Effect, Layer } from "effect"
import { capture, eventOf, issuesOf, layerServer, projectOf, Published } from "./errorServer.ts"

/** A small generator with a seed, so that a failure can be repeated. */
const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const operations = 80

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Issues under concurrency", (it) => {
  for (const seed of [1, 2, 3]) {
    it.effect(
      `events, resolutions, mutes and removed releases at once: every change is alerted once, every event counted once (seed ${seed})`,
      () =>
        Effect.gen(function* () {
          const issues = yield* Issues
          const projects = yield* ErrorProjects
          const { list } = yield* Published
          const next = random(seed)
          const tenant = `model${seed}`
          const as = provide(TenantId.make(tenant))
          const project = yield* projectOf(tenant)
          const releaseOf = () => `shop@1.${next(4)}.0`
          const send = (release: string) =>
            capture(tenant, project, eventOf({ event: { release, user: { id: `u${next(9)}` } } }))
          yield* send("shop@1.0.0")
          const [first] = yield* issuesOf(tenant)
          if (first === undefined) return yield* Effect.die(new Error("there is no issue"))
          const { issueId } = first
          let events = 1
          let changes = 0
          const event = Effect.suspend(() => {
            events++
            return send(releaseOf())
          })
          const operator = <A, E, R>(change: Effect.Effect<A, E, R>) =>
            Effect.suspend(() => {
              changes++
              return change
            })
          const steps = Array.from({ length: operations }, () => {
            switch (next(10)) {
              case 0:
                return operator(issues.resolve(issueId, { in: "next release" }).pipe(as))
              case 1:
                return operator(issues.resolve(issueId, { in: "release", release: releaseOf() }).pipe(as))
              case 2:
                return operator(issues.mute(issueId, { events: 1 + next(4) }).pipe(as))
              case 3:
                return Effect.ignore(projects.removeRelease(project.projectId, releaseOf()).pipe(as))
              default:
                return event
            }
          })
          yield* Effect.all(steps, { concurrency: 8, discard: true })
          const issue = yield* issues.get(issueId).pipe(as)
          const alerts = list.filter(({ tenantId }) => tenantId === tenant)
          const created = alerts.filter(({ type }) => type.includes("created"))
          assert.lengthOf(created, 1)
          assert.lengthOf(yield* issuesOf(tenant), 1)
          assert.strictEqual(issue.eventCount, events)
          // A version per change of the state: those of operators, and those of events, which are alerts.
          assert.strictEqual(issue.version, 1 + changes + alerts.length - created.length)
          const summary = yield* issues.summary(issueId).pipe(as)
          assert.strictEqual(
            summary.hours.reduce((sum, hour) => sum + hour.events, 0),
            events
          )
        })
    )
  }

  it.effect("100 first events of one fault at once, with two hashes each, make one issue", () =>
    Effect.gen(function* () {
      const project = yield* projectOf("first")
      yield* Effect.all(
        Array.from({ length: 100 }, (_, index) =>
          capture("first", project, eventOf({ functions: [`library${index % 7}`, "checkout"] }))
        ),
        { concurrency: 25, discard: true }
      )
      const found = yield* issuesOf("first")
      assert.strictEqual(
        found.reduce((sum, { eventCount }) => sum + eventCount, 0),
        100
      )
      assert.lengthOf(found, 1)
    })
  )
})
