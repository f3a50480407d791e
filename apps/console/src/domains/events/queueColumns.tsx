/** The columns of queues that the list and the overview share. */
import type { Column } from "../../ui/DataTable.tsx"
import { count, span } from "../../ui/Format.ts"
import type { Queue } from "./data.ts"

const number = (
  name: string,
  label: string,
  cell: (queue: Queue) => ReturnType<Column<Queue>["cell"]>
): Column<Queue> => ({ name, label, cell, right: true, width: "110px" })

export const ready = number("ready", "Ready", (queue) => count(queue.ready))

export const running = number("running", "Running", ({ leased }) => count(leased))

export const delayed = number("delayed", "Delayed", (queue) => count(queue.delayed))

export const oldest = number("oldest", "Oldest waits", ({ oldestAgeSeconds, ready }) =>
  oldestAgeSeconds === null || ready === 0 ? "–" : span(oldestAgeSeconds)
)

export const dead = number("dead", "Dead", (queue) => (
  <span className={queue.dead > 0 ? "text-bad font-semibold" : ""}>{count(queue.dead)}</span>
))
