/** Reads scenarios of a gherkin file: backgrounds, outlines with examples, and tables of steps. */

export interface Step {
  readonly text: string
  readonly table: ReadonlyArray<Readonly<Record<string, string>>>
}

export interface Scenario {
  readonly name: string
  readonly steps: ReadonlyArray<Step>
}

const cellsOf = (line: string): ReadonlyArray<string> =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())

interface Draft {
  readonly name: string
  readonly steps: Array<{ readonly text: string; readonly rows: Array<ReadonlyArray<string>> }>
  readonly examples: Array<Array<ReadonlyArray<string>>>
}

const recordsOf = (
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<Readonly<Record<string, string>>> => {
  const [names = [], ...rest] = rows
  return rest.map((cells) => Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""])))
}

const fill = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(/<(\w+)>/g, (whole, name: string) => values[name] ?? whole)

/** Every scenario, an outline once per row of its examples. */
export const scenariosOf = (text: string): ReadonlyArray<Scenario> => {
  const drafts: Array<Draft> = []
  let current: Draft | undefined
  let isInExamples = false
  for (const raw of text.split("\n")) {
    const line = raw.trim()
    const titled = /^Scenario(?: Outline)?: (.*)$/.exec(line)
    if (titled !== null) {
      current = { name: titled[1] ?? "", steps: [], examples: [] }
      drafts.push(current)
      isInExamples = false
    } else if (current === undefined || line === "" || line.startsWith("#") || line.startsWith("@")) {
      continue
    } else if (line.startsWith("Examples:")) {
      current.examples.push([])
      isInExamples = true
    } else if (line.startsWith("|")) {
      const rows = isInExamples ? current.examples.at(-1) : current.steps.at(-1)?.rows
      rows?.push(cellsOf(line))
    } else {
      const step = /^(?:Given|When|Then|And|But) (.*)$/.exec(line)
      if (step !== null) current.steps.push({ text: step[1] ?? "", rows: [] })
    }
  }
  return drafts.flatMap(({ examples, name, steps }) => {
    const rows = examples.length === 0 ? [{}] : examples.flatMap(recordsOf)
    return rows.map((values) => ({
      name: `${name} ${JSON.stringify(values)}`,
      steps: steps.map((step) => ({ text: fill(step.text, values), table: recordsOf(step.rows) }))
    }))
  })
}
