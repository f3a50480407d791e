import tailwindcss from "@tailwindcss/vite"
import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

/** Where a developer's API is: `HM_API_URL`, or the default of `hypermarket api`. */
const apiUrl = process.env["HM_API_URL"] ?? "http://127.0.0.1:8080"

export default defineConfig({
  // The server writes the place into <base>, so that the same files work behind a prefix.
  base: "./",
  plugins: [react(), tailwindcss()],
  server: {
    proxy: {
      "/v1": apiUrl,
      "/console/session": apiUrl
    }
  },
  build: {
    target: "es2023",
    // The policy of the page has no place for data: scripts and fonts, and no inline polyfill.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    license: { fileName: "LICENSES.txt" },
    reportCompressedSize: false
  }
})
