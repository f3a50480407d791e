/**
 * The keys of `HM_SECRETS_KEYS`.
 */
import { keyBytes } from "./cipher.ts"

export interface MasterKey {
  readonly id: string
  readonly key: Buffer
}

/** The newest first. */
export type MasterKeys = readonly [MasterKey, ...Array<MasterKey>]

const idPattern = /^[A-Za-z0-9_-]{1,32}$/
const base64Pattern = /^[A-Za-z0-9+/]{43}=$/
/** Random bytes have about 30 different values among 32: fewer is a placeholder that was typed by hand. */
const differentBytesMin = 16

const parseOne = (entry: string): MasterKey | undefined => {
  const end = entry.indexOf(":")
  const id = entry.slice(0, Math.max(end, 0))
  const text = entry.slice(end + 1)
  if (!idPattern.test(id) || !base64Pattern.test(text)) return undefined
  const key = Buffer.from(text, "base64")
  return key.byteLength === keyBytes && new Set(key).size >= differentBytesMin ? { id, key } : undefined
}

/** Undefined when an entry is malformed, an id appears twice or there is none. Never shows the text: it is secret. */
export const parseMasterKeys = (text: string): MasterKeys | undefined => {
  const keys: Array<MasterKey> = []
  for (const entry of text.split(",")) {
    const key = parseOne(entry.trim())
    if (key === undefined || keys.some(({ id }) => id === key.id)) return undefined
    keys.push(key)
  }
  const [newest, ...older] = keys
  return newest === undefined ? undefined : [newest, ...older]
}
