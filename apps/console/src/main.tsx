import { CSPProvider } from "@base-ui/react/csp-provider"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { Problem } from "./api/Problem.ts"
import "./app.css"
import { App } from "./shell/App.tsx"
import { followPastedLinks, takeLink } from "./shell/link.ts"
import { applyTheme } from "./ui/theme.ts"

/** An answer is not asked for again within this time. */
const freshMillis = 5_000
const retriesMax = 2

const link = takeLink()
followPastedLinks()
applyTheme()

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: freshMillis,
      retry: (failures, error) => failures < retriesMax && error instanceof Problem && error.isTransient
    }
  }
})

const root = document.querySelector("#root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <CSPProvider disableStyleElements>
          <App link={link} />
        </CSPProvider>
      </QueryClientProvider>
    </StrictMode>
  )
}
