/**
 * Replaces what differs between two messages of one fault: addresses, ids, times, numbers, quoted texts.
 */

/** The most specific first: a UUID has numbers in it. */
const parts: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b/g, "<email>"],
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>]{1,2000}/gi, "<url>"],
  [/\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b/g, "<ip>"],
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}(?::|[0-9a-f]{1,4})(?::[0-9a-f]{1,4}){0,6}(?![\w:])/gi, "<ip>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<uuid>"],
  [/\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})\b/gi, "<hash>"],
  [/\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b/g, "<date>"],
  [
    /\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? \d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{4}\b/gi,
    "<date>"
  ],
  [/\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?\b/g, "<date>"],
  [/\b\d+(?:\.\d+)?\s?(?:ns|µs|us|ms|s|sec|secs|seconds|min|mins|minutes|h|hours|days)\b/g, "<duration>"],
  [/\b0x[0-9a-f]+\b/gi, "<hex>"],
  [/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b/gi, "<hex>"],
  [/"(?:[^"\\]|\\.){1,500}"|'(?:[^'\\\s]|\\.){1,500}'|`[^`]{1,500}`/g, "<quoted>"],
  [/(?<![A-Za-z<])[-+]?\d+(?:[.,]\d+)*(?![A-Za-z>])/g, "<number>"],
  [/\d{2,}/g, "<number>"]
]

/** A stack or a document after the message differs each time. */
const lengthMax = 1_000

export const parameterise = (message: string): string => {
  let text = message.slice(0, lengthMax)
  for (const [pattern, name] of parts) text = text.replaceAll(pattern, name)
  return text.trim().replaceAll(/\s+/g, " ")
}
