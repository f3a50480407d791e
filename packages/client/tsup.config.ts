import { library } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"

// Node 20 and browsers, and not only the Node of the services.
export default defineConfig({ ...library, target: "es2022" })
