/** The changes that pages make, and how the database shows that they were made. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Page } from "playwright-core"
import { cancelledId, endpointId } from "./shop/events.ts"
import { closedFlag, killedFlag } from "./shop/release.ts"
import { resolvedTitle } from "./shop/watch.ts"

export interface Write {
  readonly title: string
  readonly path: string
  readonly act: (page: Page) => Promise<void>
  /** Rows after the act. */
  readonly proof: Effect.Effect<ReadonlyArray<unknown>, unknown, SqlClient.SqlClient>
  readonly expected: ReadonlyArray<unknown>
}

/** Opens the dialog of a button, and confirms it. */
const confirm = async (page: Page, button: string, act: string): Promise<void> => {
  await page.getByRole("button", { name: button }).click()
  const dialog = page.getByRole("alertdialog")
  await dialog.getByRole("button", { name: act, exact: true }).click()
  await dialog.waitFor({ state: "hidden" })
}

const query = <A extends object>(
  read: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<A>, unknown>
) => Effect.flatMap(SqlClient.SqlClient, read)

export const writes: ReadonlyArray<Write> = [
  {
    title: "shows the tasks of a child below the task, and cancels an execution",
    path: `/workflows/${cancelledId}`,
    act: async (page) => {
      await page.getByText("Tasks of the child").click()
      await page.getByText("ask-carrier").waitFor()
      await confirm(page, "Cancel the execution", "Cancel the execution")
    },
    proof: query(
      (sql) => sql`
        SELECT cancel_requested
          FROM hm_workflow_execution
         WHERE execution_id = ${cancelledId}
      `
    ),
    expected: [{ cancel_requested: true }]
  },
  {
    title: "replays the dead deliveries of an endpoint and says how many they were",
    path: `/webhooks/${endpointId}`,
    act: async (page) => {
      await confirm(page, "Replay the dead", "Replay")
      await page.getByText("1 delivery replayed").waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT state
          FROM hm_webhook_delivery
         WHERE endpoint_id = ${endpointId}::uuid
         ORDER BY state
      `
    ),
    expected: [{ state: "delivered" }, { state: "waiting" }]
  },
  {
    title: "explains a flag for a customer, and switches it off with a reason",
    path: `/flags/${killedFlag}`,
    act: async (page) => {
      await page.getByLabel("Attributes, as JSON").fill('{ "targetingKey": "c-7", "country": "FR" }')
      await page.getByRole("button", { name: "Explain" }).click()
      await page.getByText("its condition does not hold").waitFor()
      await page.getByRole("button", { name: "Switch off in live" }).click()
      const dialog = page.getByRole("alertdialog")
      await dialog.getByLabel("Reason").fill("Paper is sold out")
      await dialog.getByRole("button", { name: "Switch it off" }).click()
      await page.getByText("Off: everyone gets").waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT action, actor_type
          FROM hm_platform_activity_log
         WHERE action = 'flag.killed'
      `
    ),
    expected: [{ action: "flag.killed", actor_type: "key" }]
  },
  {
    title: "closes a change of a flag that waits for an approval, with a reason",
    path: "/flag-requests",
    act: async (page) => {
      await page.getByRole("group", { name: "Status" }).getByRole("button", { name: "pending" }).click()
      await page.getByText("archived: Nobody asks for it").waitFor()
      await page.getByRole("button", { name: "Close", exact: true }).click()
      const dialog = page.getByRole("alertdialog")
      await dialog.getByLabel("Reason").fill("Evenings are asked for again")
      await dialog.getByRole("button", { name: "Close it" }).click()
      await page.getByText("There is no change request").waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT status, reason
          FROM hm_platform_flag_request
         WHERE flag_key = ${closedFlag}
      `
    ),
    expected: [{ status: "closed", reason: "Evenings are asked for again" }]
  },
  {
    title: "finds an issue by a part of its title, shows its stack, and resolves it",
    path: "/errors?q=card%20has",
    act: async (page) => {
      await page.getByRole("link", { name: resolvedTitle }).click()
      await page.getByText("/app/src/basket.js:31").waitFor()
      await page.getByRole("button", { name: "Resolve", exact: true }).click()
      await page.getByRole("button", { name: "Reopen" }).waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT status
          FROM hm_error_issue
         WHERE title = ${resolvedTitle}
      `
    ),
    expected: [{ status: "resolved" }]
  },
  {
    title: "verifies the audit log against its checkpoints",
    path: "/audit",
    act: async (page) => {
      await page.getByRole("button", { name: "Verify now" }).click()
      await page.getByText("are as they were sealed").waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT number::int
          FROM hm_platform_activity_checkpoint
         WHERE tenant_id = 'acme'
      `
    ),
    expected: [{ number: 1 }]
  },
  {
    title: "decides by a policy, as it was known before the policy and since",
    path: "/policies",
    act: async (page) => {
      await page.getByLabel("Action", { exact: true }).fill("listing.publish")
      await page.getByLabel("Region").fill("AT")
      await page.getByLabel("Category").fill("fireworks")
      await page.getByRole("button", { name: "Decide" }).click()
      const decision = page.getByRole("status", { name: "Decision" })
      await decision.getByText("deny").waitFor()
      await decision.getByText("vienna-fireworks v1").waitFor()
      await page.getByLabel("In force at").fill("2025-06-01T00:00:00Z")
      await page.getByRole("button", { name: "Decide" }).click()
      await decision.getByText("No policy speaks of it.").waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT count(*)::int AS versions
          FROM hm_platform_policy
         WHERE policy_key = 'vienna-fireworks'
      `
    ),
    expected: [{ versions: 1 }]
  },
  {
    title: "takes the next look at an experiment and keeps the one before",
    path: "/experiments/$experimentId",
    act: async (page) => {
      await page.getByRole("button", { name: "Take a look" }).click()
      await page.getByRole("button", { name: "Look 2" }).waitFor()
      await page.getByRole("button", { name: "Look 1" }).waitFor()
    },
    proof: query(
      (sql) => sql`
        SELECT look
          FROM hm_experiment_result
         ORDER BY look
      `
    ),
    expected: [{ look: 1 }, { look: 2 }]
  }
]
