import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Schedule } from "effect"
import { makeKey, startApi } from "./apiProcess.ts"
import { connect, head } from "./rawClient.ts"

const ask = (url: string, path: string, headers: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.flatMap(connect(url), (connection) =>
      Effect.andThen(connection.write(head("GET", path, headers)), connection.answer)
    )
  )

describe("an API process", () => {
  it.live("reports its errors to the project of the installation, with its release", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const api = yield* startApi(url)
      const key = yield* makeKey(url, { tenant: "shop", scopes: ["observability:read"] })
      // A row that no longer decodes is a defect.
      yield* sql`ALTER TABLE hm_error_project DROP CONSTRAINT slug_in_form`
      yield* sql`
        INSERT INTO hm_error_project (tenant_id, project_id, slug, name, recorded_at, updated_at)
        VALUES ('shop', 1, 'Not A Slug', 'shop', now(), now())
      `
      const answer = yield* ask(api.url, "/v1/observability/projects/1", { authorization: `Bearer ${key}` })
      assert.strictEqual(answer.status, 500, answer.body)
      const [issue] = yield* sql<{ readonly title: string; readonly release: string }>`
        SELECT title, last_release AS release
          FROM hm_error_issue
         WHERE tenant_id = '_system'
      `.pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
      assert.match(issue?.release ?? "", /^hypermarket@/)
      assert.include(issue?.title, "Schema")
      // The new issue was published.
      assert.notInclude(api.service.log(), "Events are discarded")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )
})
