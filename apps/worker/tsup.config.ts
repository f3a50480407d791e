import { defineConfig } from "tsup"
import { app } from "@hypermarket/tsconfig/tsup"

export default defineConfig(app)
