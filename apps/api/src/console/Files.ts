/**
 * The console's files: read once, compressed when they were built, and served under a policy that lets the page run
 * nothing but its own scripts. A path is looked up among the files that were read and never opened.
 */
import * as Problems from "@hypermarket/core/Problems"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import * as Path from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import * as Origin from "./Origin.ts"

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

/** Copying an identifier is all that the page asks of the browser. */
const refusedFeatures = ["camera", "display-capture", "geolocation", "microphone", "payment", "usb"]

const securityHeaders = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": refusedFeatures.map((feature) => `${feature}=()`).join(", ")
}

/** The kinds of files that are served: those that the build makes. */
const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2"
}

interface File {
  readonly contentType: string
  readonly etag: string
  readonly plain: Uint8Array
  readonly gzip: Uint8Array | undefined
  readonly brotli: Uint8Array | undefined
}

const fileOf = (
  contentType: string,
  plain: Uint8Array,
  compressed: { readonly gzip: Uint8Array | undefined; readonly brotli: Uint8Array | undefined }
): File => ({
  contentType,
  // Weak: the encodings of one file share it.
  etag: `W/"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`,
  plain,
  ...compressed
})

const basePattern = /<base\s[^>]*>/

/** The page for one base path: addresses in it are relative to `<base>`. */
const pageAt = (html: string, basePath: string): File => {
  const base = `<base href="${basePath}console/" />`
  const text = basePattern.test(html)
    ? html.replace(basePattern, base)
    : html.replace("<head>", `<head>${base}`)
  const plain = new TextEncoder().encode(text)
  return fileOf(contentTypes[".html"] ?? "", plain, {
    gzip: gzipSync(plain),
    brotli: brotliCompressSync(plain)
  })
}

const robots = fileOf(contentTypes[".txt"] ?? "", new TextEncoder().encode("User-agent: *\nDisallow: /\n"), {
  gzip: undefined,
  brotli: undefined
})

/** The files of one build. */
interface Build {
  readonly files: ReadonlyMap<string, File>
  /** `index.html` by base path. */
  readonly pages: ReadonlyMap<string, File>
}

const indexName = "index.html"

/** Reads a folder; undefined while it has no `index.html`. */
const read = (folder: string, basePaths: ReadonlyArray<string>): Effect.Effect<Build | undefined> =>
  Effect.promise(async () => {
    if (!existsSync(Path.join(folder, indexName))) return undefined
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const names = new Set(
      entries.flatMap((entry) =>
        entry.isFile()
          ? [Path.relative(folder, Path.join(entry.parentPath, entry.name)).replaceAll(Path.sep, "/")]
          : []
      )
    )
    const contentOf = (name: string) =>
      names.has(name) ? readFile(Path.join(folder, name)) : Promise.resolve(undefined)
    const files = new Map<string, File>([["robots.txt", robots]])
    for (const name of names) {
      const contentType = contentTypes[Path.extname(name)]
      const isHidden = name.split("/").some((part) => part.startsWith("."))
      const plain = contentType === undefined || isHidden ? undefined : await contentOf(name)
      if (contentType === undefined || plain === undefined) continue
      const gzip = await contentOf(`${name}.gz`)
      files.set(name, fileOf(contentType, plain, { gzip, brotli: await contentOf(`${name}.br`) }))
    }
    const html = await readFile(Path.join(folder, indexName), "utf8")
    return { files, pages: new Map(basePaths.map((basePath) => [basePath, pageAt(html, basePath)])) }
  })

/** Beside the bundle of the command; then where the console's package builds, from this module and from the API's bundle. */
const folders = ["./console", "../../../console/dist", "../../console/dist"]

/** Returns the folder of the built files; one without files while there are none. */
const folderOf = (configured: string | undefined): string => {
  if (configured !== undefined) return Path.resolve(configured)
  const candidates = folders.map((folder) => Path.resolve(import.meta.dirname, folder))
  return candidates.find((folder) => existsSync(Path.join(folder, indexName))) ?? import.meta.dirname
}

const accepts = (request: HttpServerRequest, coding: string): boolean =>
  (request.headers["accept-encoding"] ?? "").split(",").some((entry) => {
    const [name = "", ...parameters] = entry.trim().toLowerCase().split(";")
    return name.trim() === coding && !parameters.some((parameter) => /^\s*q=0(?:\.0*)?\s*$/.test(parameter))
  })

const opaqueTag = (etag: string): string => etag.trim().replace(/^W\//, "")

const matches = (request: HttpServerRequest, file: File): boolean =>
  (request.headers["if-none-match"] ?? "").split(",").some((etag) => opaqueTag(etag) === opaqueTag(file.etag))

const respond = (request: HttpServerRequest, file: File, cacheControl: string) => {
  const headers = {
    ...securityHeaders,
    etag: file.etag,
    vary: "accept-encoding",
    "cache-control": cacheControl
  }
  if (matches(request, file)) return HttpServerResponse.empty({ status: 304, headers })
  const { contentType } = file
  if (file.brotli !== undefined && accepts(request, "br")) {
    return HttpServerResponse.uint8Array(file.brotli, {
      contentType,
      headers: { ...headers, "content-encoding": "br" }
    })
  }
  if (file.gzip !== undefined && accepts(request, "gzip")) {
    return HttpServerResponse.uint8Array(file.gzip, {
      contentType,
      headers: { ...headers, "content-encoding": "gzip" }
    })
  }
  return HttpServerResponse.uint8Array(file.plain, { contentType, headers })
}

/** Shown until the files are there; asks for itself again every two seconds. */
const unbuiltPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="refresh" content="2" />
    <title>Hypermarket</title>
  </head>
  <body>
    <p>The console is being built. This page opens it when it is ready.</p>
    <p>If it does not: run <code>pnpm build</code>, or set <code>HM_CONSOLE_FOLDER</code>.</p>
  </body>
</html>
`

const unbuilt = () =>
  HttpServerResponse.html(unbuiltPage).pipe(
    HttpServerResponse.setHeaders({ ...securityHeaders, "cache-control": "no-store" })
  )

/** Names of assets have the hash of their content. */
const forever = "public, max-age=31536000, immutable"
const revalidated = "no-cache"

const respondFrom = (build: Build, request: HttpServerRequest, origin: Origin.Origin, name: string) => {
  const file = name === indexName ? undefined : build.files.get(name)
  if (name.startsWith("assets/")) {
    return file === undefined
      ? HttpServerResponse.setHeaders(Problems.toResponse(Problems.notFound), {
          ...securityHeaders,
          "cache-control": "no-store"
        })
      : respond(request, file, forever)
  }
  const shown = file ?? build.pages.get(origin.basePath)
  return shown === undefined ? unbuilt() : respond(request, shown, revalidated)
}

/** Files that are built while the process runs are noticed within this time. */
const lookAgain = "1 second"

const prefix = "/console/"

/** Serves the files of a folder below `/console/`. */
export const layer = (options: {
  readonly folder: string | undefined
  readonly publicUrl: URL | undefined
}) =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const originOf = Origin.make(options.publicUrl)
      const basePaths = Array.from(new Set(["/", Origin.basePathOf(options.publicUrl)]))
      let build = yield* read(folderOf(options.folder), basePaths)
      const readAgain = yield* Effect.cachedWithTTL(
        Effect.suspend(() => read(folderOf(options.folder), basePaths)),
        lookAgain
      )
      // This route is also that of /console itself.
      yield* router.add(
        "GET",
        "/console/*",
        Effect.gen(function* () {
          const request = yield* HttpServerRequest
          const origin = originOf(request)
          if (origin === undefined) return Origin.refused()
          const [path = "", query] = request.url.split("?", 2)
          if (!path.startsWith(prefix)) {
            // Relative, because only the browser knows the prefix of a proxy.
            const location = query === undefined ? "console/" : `console/?${query}`
            return HttpServerResponse.redirect(location, { status: 308, headers: securityHeaders })
          }
          build ??= yield* readAgain
          return build === undefined
            ? unbuilt()
            : respondFrom(build, request, origin, path.slice(prefix.length))
        })
      )
    })
  )
