import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Grouping from "@hypermarket/observability/EventGrouping"
import { ErrorIntake } from "@hypermarket/observability/ErrorIntake"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const said = (message: string): Grouping.Groupable => ({
  exceptions: [],
  frames: [],
  message,
  template: undefined,
  fingerprint: []
})

/** A version that kept faults of one shelf together. */
const byShelf: Grouping.GroupingVersion = {
  name: "shelf",
  partsOf: ({ message }) => [[message.split(" ")[0] ?? ""]]
}

describe("versions of grouping", () => {
  it("have hashes apart from each other", () => {
    const event = said("A7 is empty")
    const [current] = Grouping.hashesOf(event)
    const renamed = { ...byShelf, name: "shelf 2" }
    const former = Grouping.formerHashesOf(event, [], [byShelf, renamed])
    assert.lengthOf(new Set([current, ...former]), 3)
    assert.deepStrictEqual(Grouping.formerHashesOf(said("A7 is full"), [], [byShelf, renamed]), former)
  })

  it("apply the rules of the project and the fingerprint of the SDK too", () => {
    const event = { ...said("A7 is empty"), fingerprint: ["{{ default }}", "till"] }
    const former = Grouping.formerHashesOf(event, [], [byShelf])
    assert.deepStrictEqual(former, Grouping.hashesOf(event, [], byShelf))
    assert.notDeepEqual(former, Grouping.hashesOf(said("A7 is empty"), [], byShelf))
  })
})

const layerTest = ErrorIntake.layer.pipe(
  Layer.provideMerge(ObservabilityDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, ObservabilityDomain.domain.migrations)),
  Layer.provideMerge(Layer.succeed(Outbox.Outbox, { publish: () => Effect.void })),
  Layer.provideMerge(Now.layerTest),
  Layer.orDie
)

layer(layerTest, { excludeTestServices: true })("a new version of grouping", (it) => {
  it.effect("goes on with the issues of the version before, and keeps new faults apart", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const projects = yield* ErrorProjects
      const intake = yield* ErrorIntake
      const tenantId = "shelves"
      const { projectId } = yield* projects.create({ slug: "shelves" }).pipe(provide(TenantId.make(tenantId)))
      const receivedAtMillis = (yield* Now.now).getTime()
      const store = (message: string, hashes: ReadonlyArray<string>, formerHashes: ReadonlyArray<string>) =>
        intake.submit({
          tenantId,
          projectId,
          receivedAtMillis,
          events: [
            {
              eventId: crypto.randomUUID(),
              receivedAtMillis,
              occurredAtMillis: receivedAtMillis,
              isSkewed: false,
              kind: "message",
              level: "warning",
              title: message,
              culprit: null,
              release: null,
              environment: null,
              userKey: null,
              traceId: null,
              tags: [],
              hashes,
              formerHashes,
              debugIds: [],
              data: new Uint8Array()
            }
          ],
          items: [],
          counts: []
        })
      const before = (message: string) => store(message, Grouping.hashesOf(said(message), [], byShelf), [])
      const during = (message: string) =>
        store(
          message,
          Grouping.hashesOf(said(message)),
          Grouping.formerHashesOf(said(message), [], [byShelf])
        )
      const after = (message: string) => store(message, Grouping.hashesOf(said(message)), [])

      yield* before("B4 is empty")
      yield* during("B4 is empty")
      yield* during("C9 is empty")
      yield* during("C9 is damp")
      yield* after("B4 is empty")
      yield* after("C9 is damp")

      const issues = yield* sql<{ readonly title: string; readonly events: number; readonly hashes: number }>`
        SELECT i.title, i.event_count::int AS events, count(*)::int AS hashes
          FROM hm_error_issue i
          JOIN hm_error_hash h USING (tenant_id, issue_id)
         WHERE i.tenant_id = ${tenantId}
         GROUP BY i.issue_id, i.title, i.event_count
         ORDER BY i.title
      `
      assert.deepStrictEqual(issues, [
        { title: "B4 is empty", events: 3, hashes: 2 },
        { title: "C9 is damp", events: 2, hashes: 1 },
        { title: "C9 is empty", events: 1, hashes: 1 }
      ])
    })
  )
})
