/**
 * Bounds the bytes of request bodies that a process holds: together, per tenant and per client key. When a bound is
 * reached, the slowest body that is still arriving ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Bounds in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly process: number
  readonly tenant: number
  readonly clientKey: number
}

const mebibyte = 1024 * 1024

/**
 * A process of 512 MB holds 64 MiB of bodies and what they are decoded to. A tenant sends one body of the largest size,
 * or many small ones. A client key is public: an outsider holds 4 MiB with it.
 *
 * @category limits
 * @since 0.1.0
 */
export const limits: Limits = { process: 64 * mebibyte, tenant: 16 * mebibyte, clientKey: 4 * mebibyte }

/** A body that is still arriving counts as at least that: its connection and request cost memory, however few bytes come. */
const arrivingBytesMin = 64 * 1024

/** The first bytes of a body that has arrived are free, so that a tenant's own import does not refuse its searches. */
const freeBytes = 16 * 1024

/** A body that began later is not slow yet. */
const slowAfterMillis = 1_000

/**
 * Who sends a body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sender {
  readonly tenantId: string | undefined
  /** Of a key that is public; undefined for a server key. */
  readonly clientKeyId: string | undefined
}

/**
 * The account of one body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Body {
  /** Counts bytes that have arrived. It may end this body or another. */
  readonly received: (bytes: number, nowMillis: number) => void
  /** The body is whole: it cannot be ended any more, and is held until `release`. */
  readonly complete: () => void
  readonly release: () => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface BodyBudget {
  /** Opens the account of a body. `end` is called once when the body must end for want of room. */
  readonly open: (sender: Sender, nowMillis: number, end: () => void) => Body
  /** Bytes counted now, of all bodies. */
  readonly bytes: () => number
}

interface Account {
  readonly startedAtMillis: number
  readonly scopes: ReadonlyArray<Scope>
  readonly end: () => void
  received: number
  charged: number
  isComplete: boolean
}

/** One bound and the bodies under it. */
interface Scope {
  readonly bytesMax: number
  readonly accounts: Set<Account>
  readonly close: () => void
  bytes: number
}

const chargeOf = (account: Account): number =>
  account.isComplete
    ? Math.max(0, account.received - freeBytes)
    : Math.max(arrivingBytesMin, account.received)

const bytesPerMilli = (account: Account, nowMillis: number): number =>
  account.received / (nowMillis - account.startedAtMillis)

/** The body with the lowest rate among those that have been arriving for a while. */
const slowestOf = (scope: Scope, nowMillis: number): Account | undefined => {
  let slowest: Account | undefined
  for (const account of scope.accounts) {
    if (account.isComplete || nowMillis - account.startedAtMillis < slowAfterMillis) continue
    if (slowest === undefined || bytesPerMilli(account, nowMillis) < bytesPerMilli(slowest, nowMillis)) {
      slowest = account
    }
  }
  return slowest
}

/**
 * Makes the budget of a process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (bounds: Limits = limits): BodyBudget => {
  const makeScope = (bytesMax: number, close: () => void): Scope => ({
    bytesMax,
    accounts: new Set(),
    close,
    bytes: 0
  })
  const all = makeScope(bounds.process, () => undefined)
  const tenants = new Map<string, Scope>()
  const clientKeys = new Map<string, Scope>()
  const scopeIn = (scopes: Map<string, Scope>, id: string, bytesMax: number): Scope => {
    const existing = scopes.get(id)
    if (existing !== undefined) return existing
    const scope = makeScope(bytesMax, () => scopes.delete(id))
    scopes.set(id, scope)
    return scope
  }
  const charge = (account: Account, bytes: number) => {
    for (const scope of account.scopes) scope.bytes += bytes - account.charged
    account.charged = bytes
  }
  const leave = (account: Account) => {
    charge(account, 0)
    for (const scope of account.scopes) {
      scope.accounts.delete(account)
      if (scope.accounts.size === 0) scope.close()
    }
  }
  const endOne = (account: Account) => {
    leave(account)
    account.end()
  }
  /** A body that has just begun and is small passes: it is the slow ones before it that hold the room. */
  const makeRoom = (account: Account, nowMillis: number) => {
    for (const scope of account.scopes) {
      while (scope.bytes > scope.bytesMax && scope.accounts.has(account)) {
        const slowest = slowestOf(scope, nowMillis)
        if (slowest !== undefined) endOne(slowest)
        else if (!account.isComplete && account.received > freeBytes) endOne(account)
        else break
      }
    }
  }
  return {
    bytes: () => all.bytes,
    open: (sender, nowMillis, end) => {
      const scopes = [all]
      if (sender.tenantId !== undefined) scopes.push(scopeIn(tenants, sender.tenantId, bounds.tenant))
      if (sender.clientKeyId !== undefined) {
        scopes.push(scopeIn(clientKeys, sender.clientKeyId, bounds.clientKey))
      }
      const account: Account = {
        startedAtMillis: nowMillis,
        scopes,
        end,
        received: 0,
        charged: 0,
        isComplete: false
      }
      for (const scope of scopes) scope.accounts.add(account)
      charge(account, chargeOf(account))
      makeRoom(account, nowMillis)
      const isOpen = () => all.accounts.has(account)
      return {
        received: (bytes, atMillis) => {
          if (!isOpen()) return
          account.received += bytes
          charge(account, chargeOf(account))
          makeRoom(account, atMillis)
        },
        complete: () => {
          if (!isOpen()) return
          account.isComplete = true
          charge(account, chargeOf(account))
        },
        release: () => {
          if (isOpen()) leave(account)
        }
      }
    }
  }
}

/**
 * The budget of this process. Every door shares the default.
 *
 * @category services
 * @since 0.1.0
 */
export const Current = Context.Reference<BodyBudget>("@hypermarket/core/BodyBudget", {
  defaultValue: () => make()
})
