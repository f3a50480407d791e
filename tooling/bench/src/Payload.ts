/**
 * The payload of job `n`, the same for ours and the peers'. Its filling is text with numbers in it: of 4,000 bytes Postgres
 * makes 2,448 when it compresses them. A repeated letter would compress to nothing, and a queue that stores payloads
 * compressed would be measured with jobs of 100 bytes.
 */
const syllables = [
  "ba",
  "der",
  "fi",
  "gol",
  "hu",
  "ket",
  "la",
  "mor",
  "ni",
  "pas",
  "qua",
  "ris",
  "to",
  "ul",
  "ven",
  "zy"
]

const seed = 1
/** Greater than any payload, and no multiple of the step: neighbours' payloads differ. */
const textLength = 100_003
const step = 7_919

const makeText = (): string => {
  // Lehmer's generator, as in MINSTD (Park and Miller, 1988).
  let state = seed
  const below = (n: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % n
  }
  let text = ""
  while (text.length < textLength) {
    if (below(5) === 0) text += below(1_000_000)
    else for (let n = 1 + below(4); n > 0; n--) text += syllables[below(syllables.length)]
    text += " "
  }
  return text.slice(0, textLength)
}

const text = makeText()
const twice = text + text

export interface Payload {
  readonly n: number
  readonly padding: string
}

export const payloadOf = (n: number, bytes: number): Payload => {
  const start = ((Math.abs(n) % textLength) * step) % textLength
  return { n, padding: twice.slice(start, start + Math.max(0, bytes - 20)) }
}
