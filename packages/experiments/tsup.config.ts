import { library } from "@hypermarket/tsconfig/tsup"
import { defineConfig } from "tsup"

export default defineConfig(library)
