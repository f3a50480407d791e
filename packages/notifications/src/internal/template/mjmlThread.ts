/**
 * The thread in which `mjml.ts` compiles. It serves one request: a text that exhausts the compiler's stack leaves it unusable.
 * Exported, so that the thread can be started from a bundle too.
 */
import { Engine, type ToHtmlResult } from "mrml"
import { parentPort, workerData } from "node:worker_threads"

/** The compiler's answer, or undefined when it broke down. */
export type Answer = ToHtmlResult | undefined

const compile = (source: string): Answer => {
  try {
    const engine = new Engine()
    // Without includes, fonts of others and comments.
    engine.setParserOptions({ includeLoader: { type: "noop" } })
    engine.setRenderOptions({ disableComments: true, socialIconOrigin: null, fonts: {} })
    return engine.toHtml(source)
  } catch {
    return undefined
  }
}

const sources: ReadonlyArray<unknown> = Array.isArray(workerData) ? workerData : []
parentPort?.postMessage(
  sources.map((source) => compile(String(source))),
  []
)
