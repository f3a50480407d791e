/**
 * Places two orders by events, kills the worker while they wait for their payments, and starts another. The paid order is
 * shipped, the declined one is undone, and no step runs twice.
 */
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { strict as assert } from "node:assert"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout } from "node:timers/promises"
import { order } from "./order.ts"

const steps: Array<{ readonly orderId: string; readonly step: string }> = []

const startWorker = () => {
  const worker = spawn(process.execPath, ["main.ts"], { stdio: ["ignore", "pipe", "inherit"] })
  createInterface(worker.stdout).on("line", (line) => {
    if (line.startsWith("{")) steps.push(JSON.parse(line))
  })
  return worker
}

const stepsOf = (orderId: string) => steps.filter((step) => step.orderId === orderId).map(({ step }) => step)

const hm = await connect({ domains: [EventsDomain] })
const acme = hm.tenant("acme")

const untilState = async (orderId: string, state: string) => {
  const executionId = order.executionId(orderId)
  while (true) {
    const { items } = await acme.workflows.list({ name: order.name })
    if (items.some((execution) => execution.executionId === executionId && execution.state === state)) return
    await setTimeout(100)
  }
}

let worker = startWorker()
try {
  // An order is started by its event, and its payment's event is what it waits for.
  await acme.subscriptions.ensure("example orders", {
    filters: [{ exact: { type: "com.example.order.placed" } }],
    workflow: { name: order.name, key: "data.orderId" }
  })
  await acme.subscriptions.ensure("example payments", {
    filters: [{ exact: { type: "com.example.payment.decided" } }],
    workflow: { name: order.name, key: "subject", signal: "payment" }
  })
  const [paid, declined] = [randomUUID(), randomUUID()]
  const lines = ["lamp", "chair"]
  await acme.events.publish(
    [paid, declined].map((orderId) => ({
      id: `${orderId}:placed`,
      type: "com.example.order.placed",
      data: { orderId, lines }
    }))
  )
  await untilState(paid, "suspended")
  await untilState(declined, "suspended")

  worker.kill("SIGKILL")
  await once(worker, "exit")
  worker = startWorker()
  const pay = (orderId: string, status: string) => ({
    id: `${orderId}:payment`,
    type: "com.example.payment.decided",
    subject: orderId,
    data: { status }
  })
  await acme.events.publish([pay(paid, "settled"), pay(declined, "declined")])
  await untilState(paid, "succeeded")
  await untilState(declined, "failed")
  worker.kill("SIGTERM")
  assert.deepEqual(await once(worker, "exit"), [0, null])

  assert.deepEqual(stepsOf(paid), ["reserve", "charge", "ship lamp", "ship chair"])
  assert.deepEqual(stepsOf(declined), ["reserve", "charge", "refund", "release"])
  console.log(`order ${paid} was shipped and order ${declined} undone, across the end of a worker`)
} finally {
  worker.kill("SIGKILL")
  await hm.close()
}
