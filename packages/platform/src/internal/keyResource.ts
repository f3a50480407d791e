import type { Resource } from "../ApiKey.ts"

const pattern = /^(project|index):(.+)$/s

/** Returns the resource of a stored text; the CHECK of the column holds the form. */
export const parse = (text: string | null): Resource | null => {
  const [, kind, id] = text === null ? [] : (pattern.exec(text) ?? [])
  return (kind === "project" || kind === "index") && id !== undefined ? { kind, id } : null
}

/** Returns the text under which a resource is stored. */
export const format = (resource: Resource | null | undefined): string | null =>
  resource === null || resource === undefined ? null : `${resource.kind}:${resource.id}`
