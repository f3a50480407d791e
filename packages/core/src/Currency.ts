/**
 * Currencies of ISO 4217 with their minor units, as this release has them: a fact is accepted or refused alike on every
 * version of Node and ICU.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** Amendment 178. Codes without minor units (metals, funds without an exponent, test codes) are left out. */
const twoDigits =
  "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU " +
  "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD " +
  "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO " +
  "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB " +
  "TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"

/** Withdrawn since 2010: imported orders have them. */
const withdrawn = "ANG BGN CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL"

const byDigits: ReadonlyArray<readonly [digits: number, codes: string]> = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF BYR"],
  [2, `${twoDigits} ${withdrawn}`],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"]
]

/**
 * The decimal digits of each currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
 *
 * @category constants
 * @since 0.1.0
 */
export const minorUnits: ReadonlyMap<string, number> = new Map(
  byDigits.flatMap(([digits, codes]) => codes.split(" ").map((code) => [code, digits] as const))
)

/**
 * An alphabetic code of ISO 4217.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Currency = Schema.String.check(
  Schema.makeFilter(
    (code: string) => (minorUnits.has(code) ? undefined : "Expected a currency of ISO 4217 such as EUR"),
    { expected: "a currency of ISO 4217", toJsonSchema: () => ({ pattern: "^[A-Z]{3}$" }) }
  )
).pipe(Schema.brand("@hypermarket/core/Currency"))

/**
 * @category models
 * @since 0.1.0
 */
export type Currency = typeof Currency.Type
