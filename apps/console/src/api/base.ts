/** The places of the console and of the API on this origin, from the `<base>` that the server writes into the page. */

/** The path of the console, with a slash at its end: `/console/`, or `/ops/hm/console/` behind a prefix. */
export const consolePath = new URL(document.baseURI).pathname

const apiPath = consolePath.replace(/console\/$/, "")

/** Returns the path at which the API of this origin answers `/v1/...`. */
export const apiPathOf = (path: string): string => apiPath + path.slice(1)

/** Returns the path of a tenant's pages. */
export const tenantPath = (tenantId: string): string => `${consolePath}t/${encodeURIComponent(tenantId)}`

/** The page of the installation, which belongs to no tenant. */
export const systemPath = `${consolePath}system`

export const isSystemAddress = (): boolean => location.pathname.replace(/\/$/, "") === systemPath

/** Returns the tenant in the address, which is none on the pages that belong to no tenant. */
export const tenantOfAddress = (): string | undefined => {
  const [, tenantId] = /^t\/([^/]+)/.exec(location.pathname.slice(consolePath.length)) ?? []
  return tenantId === undefined ? undefined : decodeURIComponent(tenantId)
}
