/**
 * Verifies an export of the activity log from the README alone: it shares no code with the package, and knows the public keys
 * and the head only from what was kept elsewhere. Plain Node; returns what is wrong, in words.
 */
import { createHash, createPublicKey, verify } from "node:crypto"

const sha256 = (...parts: ReadonlyArray<Uint8Array | string>): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest()

/** RFC 9162, 2.1.1, as it is written there. */
const treeHash = (leaves: ReadonlyArray<Buffer>): Buffer => {
  const [leaf] = leaves
  if (leaf === undefined) return sha256("")
  if (leaves.length === 1) return leaf
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

const isSigned = (publicKey: string, text: string, signature: string): boolean => {
  const key = Buffer.concat([
    Buffer.from("302a300506032b6570032100", "hex"),
    Buffer.from(publicKey, "base64")
  ])
  const keyObject = createPublicKey({ key, format: "der", type: "spki" })
  return verify(null, Buffer.from(text), keyObject, Buffer.from(signature, "base64"))
}

/** Checkpoints whose rows retention dropped: an entry, at least 31 days younger, names them. Returns a test of a checkpoint. */
const dropsIn = (lines: ReadonlyArray<string>) => {
  const entries = lines.flatMap((text) => {
    const { detail, leaf, type } = JSON.parse(text)
    const { action, recordedAt } = type === "row" ? JSON.parse(leaf) : {}
    if (action !== "activity.dropped" || detail === null) return []
    return [{ until: Date.parse(recordedAt) - 31 * 86_400_000, ranges: JSON.parse(detail).after.checkpoints }]
  })
  return (checkpoint: { readonly number: number; readonly sealedAt: string }): boolean =>
    entries.some(
      ({ ranges, until }) =>
        Date.parse(checkpoint.sealedAt) <= until &&
        ranges.some(([first, last]: ReadonlyArray<number>) =>
          first === undefined || last === undefined
            ? false
            : first <= checkpoint.number && checkpoint.number <= last
        )
    )
}

export const strangersVerdict = (
  lines: ReadonlyArray<string>,
  kept: { readonly keys: Readonly<Record<string, string>>; readonly number: number; readonly hash: string }
): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  let previous: string | null = null
  let number = 0
  const isDropped = dropsIn(lines)
  let open:
    | { readonly number: number; readonly root: string; readonly rows: number; readonly sealedAt: string }
    | undefined
  let leaves: Array<Buffer> = []
  let isHeadFound = kept.number === 0
  const close = () => {
    if (open === undefined) return
    if (leaves.length === 0 && isDropped(open)) return
    if (leaves.length !== open.rows) wrong.push(`${open.number}: ${leaves.length} rows of ${open.rows}`)
    else if (treeHash(leaves).toString("hex") !== open.root) wrong.push(`${open.number}: another root`)
    leaves = []
  }
  for (const line of lines.map((text) => JSON.parse(text))) {
    if (line.type === "checkpoint") {
      close()
      const checkpoint = JSON.parse(line.checkpoint)
      if (checkpoint.number !== number + 1) wrong.push(`${checkpoint.number}: after ${number}`)
      else if (checkpoint.previous !== previous) wrong.push(`${checkpoint.number}: another one before it`)
      const key = kept.keys[checkpoint.keyId]
      if (key === undefined) wrong.push(`${checkpoint.number}: key ${checkpoint.keyId} is unknown`)
      else if (!isSigned(key, line.checkpoint, line.signature)) wrong.push(`${checkpoint.number}: signature`)
      previous = sha256(line.checkpoint).toString("hex")
      number = checkpoint.number
      open = checkpoint
      if (number === kept.number) isHeadFound = true
      if (number === kept.number && previous !== kept.hash) wrong.push(`${number}: another head`)
    } else if (line.type === "row") {
      const leaf = JSON.parse(line.leaf)
      leaves.push(sha256(Buffer.of(0), line.leaf))
      for (const part of ["actor", "detail"]) {
        const text = line[part]
        if (text === null) continue
        const hash = sha256(Buffer.from(line[`${part}Salt`], "hex"), text).toString("hex")
        if (hash !== leaf[part]) wrong.push(`${number}: another ${part} of ${leaf.activityId}`)
      }
    }
  }
  close()
  if (!isHeadFound) wrong.push(`${kept.number}: the kept head is missing`)
  return wrong
}
