import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import * as Command from "@hypermarket/testing/Command"
import { Effect, Layer } from "effect"
import * as Path from "node:path"
import { baseUrl, issuesOf, layerServer, projectOf } from "./errorServer.ts"

const acme = TenantId.make("acme")

layer(layerServer.pipe(Layer.provideMerge(NodeServices.layer), Layer.orDie), { excludeTestServices: true })(
  "@sentry/node, unmodified",
  (it) => {
    it.effect(
      "errors, messages, sessions, check-ins, feedback, attachments, spans, logs and metrics arrive, without secrets",
      () =>
        Effect.gen(function* () {
          const project = yield* projectOf("acme")
          const url = new URL(yield* baseUrl)
          const shop = yield* Command.run(
            process.execPath,
            [Path.join(import.meta.dirname, "application/shop.ts")],
            {
              cwd: import.meta.dirname,
              env: {
                SHOP_DSN: `http://acme_client_${project.projectId}@${url.host}/sentry/${project.projectId}`
              }
            }
          )
          assert.strictEqual(shop.code, 0, shop.stderr)

          const issues = yield* issuesOf("acme")
          assert.sameMembers(
            issues.map(({ title }) => title),
            ["Error: Payment failed", "Stock is low for lamp-17", "RangeError: Too many lines"]
          )
          const failed = issues.find(({ title }) => title === "Error: Payment failed")
          assert.deepInclude(failed, {
            eventCount: 1,
            userCount: 1,
            lastRelease: "shop@2.10.0",
            level: "error"
          })
          assert.match(failed?.culprit ?? "", /^pay \(.*shop\.ts\)$/)

          const projects = yield* ErrorProjects
          const counts = yield* projects.counts(project.projectId).pipe(provide(acme))
          const quantityOf = (category: string) =>
            counts
              .filter((count) => count.category === category && count.outcome !== "dropped")
              .reduce((sum, { quantity }) => sum + quantity, 0)
          assert.strictEqual(quantityOf("error"), 3)
          assert.strictEqual(quantityOf("check_in"), 2)
          assert.strictEqual(quantityOf("feedback"), 1)
          assert.strictEqual(quantityOf("attachment"), 1)
          assert.isAtLeast(quantityOf("session"), 1)
          assert.isAtLeast(quantityOf("log_item"), 1)
          assert.isAtLeast(quantityOf("trace_metric"), 1)
          assert.isAtLeast(quantityOf("transaction") + quantityOf("span"), 1)
          assert.deepStrictEqual(
            counts.filter(({ category, outcome }) => outcome === "dropped" || category === "unknown"),
            []
          )

          // A secret of a header is nowhere in the event, not in the text that has it either.
          if (failed === undefined) return
          const service = yield* Issues
          const { items } = yield* service.events(failed.issueId, {}).pipe(provide(acme))
          const event = yield* service.event(failed.projectId, items[0]?.eventId ?? "").pipe(provide(acme))
          const text = JSON.stringify(event.data)
          assert.include(text, "sent with [scrubbed]")
          assert.notInclude(text, "correct-horse")
        })
    )
  }
)
