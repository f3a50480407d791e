/**
 * The address of the repository in the manifests of the published packages. A registry shows it, and makes the relative links of a
 * README from it.
 */

/** A manifest as it is in its file, with its fields in their order. */
type Manifest = Readonly<Record<string, unknown>>

/** Returns the address without what a copied one ends in. Throws on one that no registry links to. */
const normalized = (address: string): string => {
  const text = address.replace(/^git\+/, "").replace(/(?:\.git)?\/*$/, "")
  if (!/^https:\/\/[^/]+\/[^/]+\/[^/]+$/.test(text)) {
    throw new TypeError(`${address} is no address such as https://host/owner/name`)
  }
  return text
}

/** The fields of the package in a folder, of the root without one. */
export const fieldsOf = (address: string, folder?: string) => {
  const url = normalized(address)
  return {
    repository: {
      type: "git",
      url: `git+${url}.git`,
      ...(folder === undefined ? {} : { directory: folder })
    },
    homepage: folder === undefined ? `${url}#readme` : `${url}/tree/main/${folder}#readme`,
    bugs: { url: `${url}/issues` }
  }
}

/** Returns a manifest with the fields after its licence, in place of those that it has. */
export const withAddress = (manifest: Manifest, address: string, folder?: string): Manifest => {
  const fields = fieldsOf(address, folder)
  const others = Object.entries(manifest).filter(([name]) => !(name in fields))
  const at = others.findIndex(([name]) => name === "license") + 1
  return Object.fromEntries([...others.slice(0, at), ...Object.entries(fields), ...others.slice(at)])
}
