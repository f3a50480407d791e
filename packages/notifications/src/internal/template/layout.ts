/** Checks of layouts, and of the messages that are placed into them. */
import * as Markup from "./markup.ts"
import { placeAt, type TemplateFault } from "./place.ts"
import * as Spans from "./spans.ts"

/** The message in its layout, as HTML in HTML. */
const contentOutput = /^\{\{-?\s*content\s*-?\}\}$/
const mention = /\bcontent\b/
const opening = /^\{%-?\s*(if|unless|for|case|capture|comment|raw)\b/
const closing = /^\{%-?\s*end/
const ending = /^\{%-?\s*(?:break|continue)\b/

/** Returns why a part of a layout does not have `{{ content }}` once: outside blocks, and in HTML outside tags and comments. */
export const faultOf = (format: "html" | "text", source: string): TemplateFault | undefined => {
  const open: Array<string | undefined> = []
  let places = 0
  const kinds = [Spans.outputs, Spans.tags, ...(format === "html" ? [Spans.comments] : [])]
  for (const { index, text } of Spans.find(source, kinds)) {
    const fault = (message: string) => ({ ...placeAt(source, index), message })
    if (contentOutput.test(text)) {
      if (open.length > 0) return fault("Expected {{ content }} outside every block")
      if (++places > 1) return fault("Expected {{ content }} once")
      if (format === "html" && !Markup.isInText(source, index)) {
        return fault("Expected {{ content }} outside tags and comments")
      }
    } else if (!text.startsWith("<!--")) {
      if (mention.test(text)) return fault("Expected content by itself, as {{ content }}")
      // What follows would be left out.
      if (ending.test(text) && !open.includes("for")) return fault("Expected this in a loop")
      if (closing.test(text)) open.pop()
      else if (opening.test(text)) open.push(opening.exec(text)?.[1])
    }
  }
  return places === 1 ? undefined : { line: 1, column: 1, message: "Expected {{ content }}" }
}

const pageElement = /<\s*(?:!\s*doctype|\/?\s*(?:html|head|body|title))\b/i

/** Returns why the HTML of a message is no part of a page: it would break the layout that it is placed into. */
export const faultOfFragment = (source: string): TemplateFault | undefined => {
  const element = pageElement.exec(source)
  if (element !== null) {
    return { ...placeAt(source, element.index), message: "Expected a part of a page: its layout is the page" }
  }
  return Markup.endsInText(source)
    ? undefined
    : { ...placeAt(source, source.length), message: "Expected the end of every tag and comment" }
}
