/**
 * The parts of one envelope that are stored: events, items and counts, of one project.
 */
import type { CheckIn } from "./checkIn.ts"
import type { StoredEvent } from "./storedEvent.ts"

export interface StoredItem {
  readonly kind: "feedback" | "check_in" | "attachment"
  readonly eventId: string | null
  readonly name: string
  readonly receivedAtMillis: number
  /** Bytes before compression. */
  readonly bytes: number
  readonly data: Uint8Array
}

export type Outcome = "stored" | "counted" | "dropped" | "client"

export interface Count {
  readonly category: string
  readonly outcome: Outcome
  readonly reason: string
  readonly quantity: number
}

export interface Submission {
  readonly tenantId: string
  readonly projectId: number
  readonly receivedAtMillis: number
  readonly events: ReadonlyArray<StoredEvent>
  readonly items: ReadonlyArray<StoredItem>
  /** Those of the items that are check-ins of a monitor. */
  readonly checkIns?: ReadonlyArray<CheckIn>
  readonly counts: ReadonlyArray<Count>
}

/** Memory that a submission holds while it waits, in bytes. */
export const bytesOf = ({ events, items }: Submission): number =>
  events.reduce((sum, { data }) => sum + data.byteLength + 2_048, 0) +
  items.reduce((sum, { data }) => sum + data.byteLength + 256, 256)
