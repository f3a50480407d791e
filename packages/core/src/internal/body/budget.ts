/**
 * The memory that the bodies of a process and of one tenant hold, by counting.
 */

export interface BodyBudget {
  /** Bytes held now. */
  readonly held: () => number
  /** Returns what is exhausted, or undefined after it has counted the bytes. */
  readonly take: (tenantId: string | undefined, bytes: number) => "process" | "tenant" | undefined
  readonly give: (tenantId: string | undefined, bytes: number) => void
}

export const make = (options: {
  readonly processBytesMax: number
  readonly tenantBytesMax: number
}): BodyBudget => {
  const byTenant = new Map<string, number>()
  let held = 0
  const add = (tenantId: string | undefined, bytes: number): void => {
    held += bytes
    if (tenantId === undefined) return
    const ofTenant = (byTenant.get(tenantId) ?? 0) + bytes
    if (ofTenant === 0) byTenant.delete(tenantId)
    else byTenant.set(tenantId, ofTenant)
  }
  return {
    held: () => held,
    take: (tenantId, bytes) => {
      if (held + bytes > options.processBytesMax) return "process"
      const ofTenant = tenantId === undefined ? 0 : (byTenant.get(tenantId) ?? 0)
      if (ofTenant + bytes > options.tenantBytesMax) return "tenant"
      add(tenantId, bytes)
      return undefined
    },
    give: (tenantId, bytes) => add(tenantId, -bytes)
  }
}
