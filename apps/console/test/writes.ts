/** The changes that pages make, and how the database shows that they were made. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Page } from "playwright-core"
import { cancelledId, endpointId } from "./shop/events.ts"

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
  }
]
