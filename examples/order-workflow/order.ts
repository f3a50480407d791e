/** An order: reserve, charge, wait for the payment, ship. When the payment is declined, charge and reservation are undone. */
import { defineWorkflow, WorkflowFailed } from "@hypermarket/events/WorkflowDefinition"

export interface Order {
  readonly orderId: string
  readonly lines: ReadonlyArray<string>
}

const isSettled = (payment: unknown): boolean =>
  typeof payment === "object" && payment !== null && "status" in payment && payment.status === "settled"

export const order = defineWorkflow(
  "example order",
  { version: 1, key: (input: Order) => input.orderId },
  async (step, { lines, orderId }) => {
    // The systems outside would be called here. A step may run twice when its process ends in the middle: the idempotency
    // key is the same then.
    const call = (name: string, key: string) => console.log(JSON.stringify({ orderId, step: name, key }))

    await step.run("reserve", ({ idempotencyKey }) => call("reserve", idempotencyKey), {
      undo: (_, { idempotencyKey }) => call("release", idempotencyKey)
    })
    await step.run("charge", ({ idempotencyKey }) => call("charge", idempotencyKey), {
      attempts: 3,
      undo: (_, { idempotencyKey }) => call("refund", idempotencyKey)
    })
    const payment = await step.signal("payment", { timeout: "3 days" })
    if (!isSettled(payment)) throw new WorkflowFailed("not paid")
    for (const line of lines) {
      await step.run(`ship ${line}`, ({ idempotencyKey }) => call(`ship ${line}`, idempotencyKey))
    }
    return lines.length
  }
)
