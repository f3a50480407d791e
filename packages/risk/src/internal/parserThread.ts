/** The thread in which `parsing.ts` parses expressions. Exported, so that the thread can be started from a bundle too. */
import { parentPort } from "node:worker_threads"
import * as Parser from "../cel/Parser.ts"

parentPort?.on("message", (text: string) => parentPort?.postMessage(Parser.parse(text), []))
parentPort?.postMessage("ready", [])
