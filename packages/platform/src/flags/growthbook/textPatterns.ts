/** Patterns that mean the same in RE2, which evaluates here, and in the regular expressions of JavaScript. */
import * as Pattern from "@hypermarket/core/Pattern"

/** Text as a pattern that matches it alone. */
export const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

const quantifier = String.raw`(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?`
const escaped = String.raw`\\[dDwW.\\+*?()[\]{}|^$/-]`
const classItem = String.raw`(?:[A-Za-z0-9 _@.:;,%&!#~=<>"'/+*?(){}|$]|\\[dw.\\\[^/-])`
/** ASCII alone: a character outside of it may be one to RE2 and two to JavaScript. */
const atoms = [
  String.raw`[A-Za-z0-9 _@:;,%&!#~=<>"'/-]${quantifier}`,
  `${escaped}${quantifier}`,
  String.raw`\[(?:[A-Za-z0-9]-[A-Za-z0-9]|${classItem})+\]${quantifier}`,
  // One or more of anything: how many characters an emoji is does not matter then.
  String.raw`\.[*+]`,
  String.raw`\((?:\?:)?|\)${quantifier}|\||\^|\$`
]
const portable = new RegExp(`^(?:${atoms.join("|")})*$`)
const negatedClass = /\\[DW](?![*+])/
const anything = /\\[^]|\[[^\]]*\]|\./g

/** The pattern for JavaScript, in which `.` is what it is in RE2; undefined where the two may differ. */
export const portablePattern = (pattern: string): string | undefined => {
  if (!portable.test(pattern) || negatedClass.test(pattern)) return undefined
  const body = pattern.replaceAll(anything, (atom) => (atom === "." ? "[^\\n]" : atom))
  return `^(?=[^]{0,${Pattern.textMaxCharacters}}$)[^]*?(?:${body})`
}
