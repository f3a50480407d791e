import * as ConformanceData from "@hypermarket/testing/ConformanceData"
import { Schema } from "effect"

/** True where the public reference data is beside the repository. It is not part of it. */
export const isPresent = (): boolean => ConformanceData.find("statistics") !== undefined

export const read = <A>(name: string, schema: Schema.Codec<A, unknown>): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(ConformanceData.text(`statistics/${name}`) ?? "null"))

/** The relative error, or the absolute one beside a reference of 0. */
export const errorOf = (actual: number, expected: number): number =>
  actual === expected ? 0 : Math.abs(actual - expected) / (expected === 0 ? 1 : Math.abs(expected))
