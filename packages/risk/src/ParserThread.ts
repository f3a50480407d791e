/**
 * The thread in which `RiskRules` parses expressions. It starts this module; a program has no reason to import it.
 *
 * @since 0.1.0
 */
import { parentPort } from "node:worker_threads"
import * as Parser from "./cel/Parser.ts"

parentPort?.on("message", (text: string) => parentPort?.postMessage(Parser.parse(text), []))
parentPort?.postMessage("ready", [])
