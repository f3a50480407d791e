/**
 * The types of CEL, and when one may be used in place of another. The rules are those of the specification's reference
 * checker: `dyn` agrees with everything, type parameters are bound to the most general type that was seen.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export type Type =
  | {
      readonly type:
        | "null"
        | "bool"
        | "int"
        | "uint"
        | "double"
        | "string"
        | "bytes"
        | "timestamp"
        | "duration"
    }
  | { readonly type: "dyn" }
  | { readonly type: "list"; readonly element: Type }
  | { readonly type: "map"; readonly key: Type; readonly value: Type }
  | { readonly type: "type"; readonly of: Type }
  /** A map whose keys are declared, each with its type. */
  | { readonly type: "object"; readonly name: string; readonly fields: ReadonlyMap<string, Type> }
  | { readonly type: "parameter"; readonly name: string }

export const dyn: Type = { type: "dyn" }
export const bool: Type = { type: "bool" }
export const int: Type = { type: "int" }
export const uint: Type = { type: "uint" }
export const double: Type = { type: "double" }
export const string: Type = { type: "string" }
export const bytes: Type = { type: "bytes" }
export const nullType: Type = { type: "null" }
export const timestamp: Type = { type: "timestamp" }
export const duration: Type = { type: "duration" }
export const list = (element: Type): Type => ({ type: "list", element })
export const map = (key: Type, value: Type): Type => ({ type: "map", key, value })
export const typeOf = (inner: Type): Type => ({ type: "type", of: inner })
export const parameter = (name: string): Type => ({ type: "parameter", name })
export const object = (name: string, fields: ReadonlyMap<string, Type>): Type => ({
  type: "object",
  name,
  fields
})

/**
 * Returns a type as CEL's specification writes it: `map(string, list(int))`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (type: Type): string => {
  switch (type.type) {
    case "list":
      return `list(${format(type.element)})`
    case "map":
      return `map(${format(type.key)}, ${format(type.value)})`
    case "type":
      return `type(${format(type.of)})`
    case "object":
    case "parameter":
      return type.name
    default:
      return type.type
  }
}

const isEqual = (left: Type, right: Type): boolean => {
  if (left.type !== right.type) return false
  if (left.type === "list" && right.type === "list") return isEqual(left.element, right.element)
  if (left.type === "map" && right.type === "map") {
    return isEqual(left.key, right.key) && isEqual(left.value, right.value)
  }
  if (left.type === "type" && right.type === "type") return isEqual(left.of, right.of)
  return format(left) === format(right)
}

const isEqualOrLessSpecific = (left: Type, right: Type): boolean => {
  if (left.type === "dyn" || left.type === "parameter") return true
  if (right.type === "dyn" || right.type === "parameter") return false
  if (left.type === "list" && right.type === "list") return isEqualOrLessSpecific(left.element, right.element)
  if (left.type === "map" && right.type === "map") {
    return isEqualOrLessSpecific(left.key, right.key) && isEqualOrLessSpecific(left.value, right.value)
  }
  if (left.type === "type" && right.type === "type") return true
  return isEqual(left, right)
}

/**
 * Returns the more general of two types that agree.
 *
 * @category combinators
 * @since 0.1.0
 */
export const mostGeneral = (left: Type, right: Type): Type =>
  isEqualOrLessSpecific(left, right) ? left : right

/**
 * The types that the parameters of an expression are bound to.
 *
 * @category models
 * @since 0.1.0
 */
export class Bindings {
  private bound: Map<string, Type>
  private fresh = 0

  constructor() {
    this.bound = new Map()
  }

  /** Returns a parameter that no other type names. */
  next(): Type {
    return parameter(`_var${this.fresh++}`)
  }

  /** Returns the type with its bound parameters replaced; unbound ones become `dyn` when `isFinal`. */
  substitute(type: Type, isFinal: boolean): Type {
    switch (type.type) {
      case "parameter": {
        const bound = this.bound.get(type.name)
        if (bound !== undefined) return this.substitute(bound, isFinal)
        return isFinal ? dyn : type
      }
      case "list":
        return list(this.substitute(type.element, isFinal))
      case "map":
        return map(this.substitute(type.key, isFinal), this.substitute(type.value, isFinal))
      case "type":
        return typeOf(this.substitute(type.of, isFinal))
      default:
        return type
    }
  }

  /** Returns true when each left type may be used as the right one, and then keeps what that binds. */
  assign(left: ReadonlyArray<Type>, right: ReadonlyArray<Type>): boolean {
    const before = new Map(this.bound)
    const isAssignable = left.every((type, index) => {
      const other = right[index]
      return other !== undefined && this.isAssignable(type, other)
    })
    if (!isAssignable) this.bound = before
    return isAssignable
  }

  private isAssignable(left: Type, right: Type): boolean {
    if (right.type === "parameter") {
      const [isValid, isBound] = this.bind(left, right)
      if (isValid) return true
      if (isBound) return false
    }
    if (left.type === "parameter") return this.bind(right, left)[0]
    if (left.type === "dyn" || right.type === "dyn") return true
    if (left.type === "null" || right.type === "null") {
      const other = left.type === "null" ? right : left
      return ["null", "timestamp", "duration", "object"].includes(other.type)
    }
    if (left.type === "list" && right.type === "list") return this.isAssignable(left.element, right.element)
    if (left.type === "map" && right.type === "map") {
      return this.isAssignable(left.key, right.key) && this.isAssignable(left.value, right.value)
    }
    if (left.type === "object" && right.type === "map") return this.isAssignable(string, right.key)
    if (left.type === "type" && right.type === "type") return true
    return isEqual(left, right)
  }

  /** Binds a parameter to a type. Returns whether they agree, and whether the parameter was bound before. */
  private bind(type: Type, to: Type & { readonly type: "parameter" }): readonly [boolean, boolean] {
    if (type.type === "parameter" && type.name === to.name) return [true, true]
    const bound = this.bound.get(to.name)
    if (bound === undefined) {
      if (this.refersTo(type, to.name)) return [false, false]
      this.bound.set(to.name, type)
      return [true, false]
    }
    if (isEqual(type, bound)) return [true, true]
    if (!this.isAssignable(type, bound)) return [false, true]
    const general = mostGeneral(type, bound)
    if (!this.refersTo(general, to.name)) this.bound.set(to.name, general)
    return [true, true]
  }

  private refersTo(type: Type, name: string): boolean {
    switch (type.type) {
      case "parameter": {
        if (type.name === name) return true
        const bound = this.bound.get(type.name)
        return bound !== undefined && this.refersTo(bound, name)
      }
      case "list":
        return this.refersTo(type.element, name)
      case "map":
        return this.refersTo(type.key, name) || this.refersTo(type.value, name)
      case "type":
        return this.refersTo(type.of, name)
      default:
        return false
    }
  }
}
