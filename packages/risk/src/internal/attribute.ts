/** Attributes of signals: which exist, and their values by their declared types. */
import * as CelText from "../cel/Text.ts"
import * as Type from "../cel/Type.ts"
import * as V from "../cel/Value.ts"
import type { SignalKind } from "../FraudSignal.ts"
import type { AttributeType } from "../RiskRuleSet.ts"

export interface Attribute {
  readonly kind: SignalKind
  readonly name: string
  readonly type: AttributeType
}

/** The attributes that facts of the shop bring, in every tenant. */
export const builtInAttributes: ReadonlyArray<Attribute> = [
  { kind: "order", name: "orderId", type: "string" },
  { kind: "order", name: "lines", type: "int" },
  { kind: "order", name: "quantity", type: "int" },
  { kind: "order", name: "channel", type: "string" },
  { kind: "order", name: "region", type: "string" },
  { kind: "order", name: "shipToCountry", type: "string" },
  { kind: "order", name: "paymentMethod", type: "string" },
  { kind: "order", name: "giftCard", type: "bool" },
  { kind: "order", name: "guest", type: "bool" },
  { kind: "order", name: "coupons", type: "list(string)" },
  { kind: "payout", name: "payoutId", type: "string" },
  { kind: "return", name: "orderId", type: "string" },
  { kind: "return", name: "reason", type: "string" }
]

export const celTypes: Readonly<Record<AttributeType, Type.Type>> = {
  bool: Type.bool,
  int: Type.int,
  double: Type.double,
  string: Type.string,
  timestamp: Type.timestamp,
  "list(string)": Type.list(Type.string),
  "list(int)": Type.list(Type.int),
  "map(string, string)": Type.map(Type.string, Type.string),
  dyn: Type.dyn
}

/** Which attributes exist, per kind. */
export const attributesOf = (attributes: ReadonlyArray<Attribute>, kind: SignalKind) =>
  new Map(
    attributes.filter((attribute) => attribute.kind === kind).map(({ name, type }) => [name, type] as const)
  )

export const toMap = (entries: ReadonlyArray<readonly [string, V.Value]>): V.MapValue => {
  const map = new V.MapValue()
  for (const [key, value] of entries) map.add(key, value)
  return map
}

/** A value without a declared type: numbers are doubles, as in JSON. */
const dynamicOf = (value: unknown): V.Value => {
  if (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    typeof value === "number"
  ) {
    return value
  }
  if (Array.isArray(value)) return value.map(dynamicOf)
  return typeof value === "object"
    ? toMap(Object.entries(value).map(([key, each]) => [key, dynamicOf(each)]))
    : null
}

const allOf = (value: unknown, type: AttributeType): V.Value | undefined => {
  if (!Array.isArray(value)) return undefined
  const elements = value.map((element) => attributeValue(element, type))
  return elements.every((element) => element !== undefined) ? elements : undefined
}

/** An attribute's value by its declared type; undefined when it has another one. */
export const attributeValue = (value: unknown, type: AttributeType): V.Value | undefined => {
  switch (type) {
    case "bool":
      return typeof value === "boolean" ? value : undefined
    case "int":
      return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : undefined
    case "double":
      return typeof value === "number" ? value : undefined
    case "string":
      return typeof value === "string" ? value : undefined
    case "timestamp": {
      const at = typeof value === "string" ? CelText.parseTimestamp(value) : undefined
      return at instanceof V.Timestamp ? at : undefined
    }
    case "list(string)":
      return allOf(value, "string")
    case "list(int)":
      return allOf(value, "int")
    case "map(string, string)": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
      const entries = Object.entries(value)
      return entries.every(([, each]) => typeof each === "string") ? dynamicOf(value) : undefined
    }
    case "dyn":
      return dynamicOf(value)
  }
}
