/** Ids of messages: UUIDv7, so that they are in the order of time. */

/** The first 52 bits of an id of this time; Postgres adds the random ones. */
export const timePrefix = (time: Date): string => {
  const hex = time.getTime().toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7`
}

/** No id of this time or later is before it. */
export const lowest = (time: Date): string => `${timePrefix(time)}000-8000-000000000000`
