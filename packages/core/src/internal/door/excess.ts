/**
 * Finds fields that a schema does not have. The parser finds them too, at the price of its slow path: a generator per
 * object, also for values without such fields.
 */
import { isObject } from "effect/Predicate"
import type * as SchemaAST from "effect/SchemaAST"

/**
 * True when the parser has to look for fields that the schema does not have: there is one, or only the parser can tell.
 */
export type MayHaveExcess = (value: unknown) => boolean

/** A value without fields, or with fields of any name. */
const none: MayHaveExcess = () => false

/** Only the parser knows what becomes of the fields. */
const unknown: MayHaveExcess = (value) => typeof value === "object" && value !== null

/** A text may be that of an object. */
const always: MayHaveExcess = () => true

const isScalar = (ast: SchemaAST.AST): boolean => {
  switch (ast._tag) {
    case "Declaration":
    case "Unknown":
    case "Any":
    case "ObjectKeyword":
    case "Arrays":
    case "Objects":
    case "Suspend":
      return false
    case "Union":
      return ast.types.every(isScalar)
    default:
      return true
  }
}

const ofFields = (fields: ReadonlyMap<string, MayHaveExcess>): MayHaveExcess => {
  return (value) => {
    if (!isObject(value)) return false
    for (const [key, field] of Object.entries(value)) {
      const inner = fields.get(key)
      if (inner === undefined || (inner !== none && inner(field))) return true
    }
    return false
  }
}

const ofItems = (item: MayHaveExcess): MayHaveExcess =>
  item === none ? none : (value) => Array.isArray(value) && value.some(item)

const ofLocal = (ast: SchemaAST.AST): MayHaveExcess => {
  switch (ast._tag) {
    case "Objects": {
      if (ast.indexSignatures.length > 0) return unknown
      // The parser refuses no field of an empty struct.
      if (ast.propertySignatures.length === 0) return none
      return ofFields(new Map(ast.propertySignatures.map(({ name, type }) => [String(name), make(type)])))
    }
    case "Arrays":
      return ast.elements.length === 0 && ast.rest.length === 1 && ast.rest[0] !== undefined
        ? ofItems(make(ast.rest[0]))
        : unknown
    case "Union": {
      const [first, second] = ast.types.filter((member) => !isScalar(member))
      // Of two members with fields, the parser takes the first one that has them all.
      return first === undefined ? none : second === undefined ? make(first) : unknown
    }
    case "Declaration":
      return ast.typeParameters.length === 0 ? none : unknown
    case "Suspend":
    case "ObjectKeyword":
      return unknown
    default:
      return none
  }
}

/** Makes the test of a schema's values, as the wire has them. */
export const make = (ast: SchemaAST.AST): MayHaveExcess => {
  const outermost = ast.encoding?.at(-1)
  if (outermost === undefined) return ofLocal(ast)
  // A transformation between two shapes: the parser looks for fields in both.
  const isOneShape = ast.encoding?.length === 1 && (isScalar(ast) || ast._tag === "Declaration")
  return isOneShape ? make(outermost.to) : always
}
