/**
 * Snapshots of Postgres as text: `xmin:xmax:xip,xip`. Transactions below xmin have ended, those from xmax on had not begun,
 * and those listed were in progress.
 */

interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly inProgress: ReadonlySet<string>
}

const parse = (text: string): Snapshot => {
  const [xmin = "0", xmax = "0", list = ""] = text.split(":")
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), inProgress: new Set(list === "" ? [] : list.split(",")) }
}

/** Returns true if the snapshot sees every transaction that the other one sees. */
export const seesAllOf = (snapshot: string, other: string): boolean => {
  const newer = parse(snapshot)
  const older = parse(other)
  if (newer.xmax < older.xmax || newer.xmin < older.xmin) return false
  for (const xid of newer.inProgress) {
    if (BigInt(xid) < older.xmax && !older.inProgress.has(xid)) return false
  }
  return true
}
