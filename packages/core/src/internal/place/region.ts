import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** ISO 3166-1 alpha-2, and XK: user-assigned, and what shops and carriers use for Kosovo. */
const countries: ReadonlySet<string> = new Set(
  (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD " +
    "CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF " +
    "GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN " +
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA " +
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI " +
    "SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI " +
    "VN VU WF WS XK YE YT ZA ZM ZW"
  ).split(" ")
)

/** Reserved codes that some systems write for these countries. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["UK", "GB"],
  ["EL", "GR"]
])

const countryOf = (region: string): string => {
  const country = region.slice(0, 2)
  return aliases.get(country) ?? country
}

const regionPattern = /^[A-Z]{2}(?:-[A-Z0-9]{1,3})?$/

/**
 * A country of ISO 3166-1 alpha-2 or a subdivision of ISO 3166-2: `DE`, `US-CA`. `UK` and `EL` are read as `GB` and `GR`.
 * Subdivisions are checked for their form and country only.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Region = Schema.String.check(
  Schema.makeFilter(
    (region: string) =>
      regionPattern.test(region) && countries.has(countryOf(region))
        ? undefined
        : "Expected a region of ISO 3166 such as DE or US-CA",
    { expected: "a region of ISO 3166", toJsonSchema: () => ({ pattern: regionPattern.source }) }
  )
).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({
      decode: (region: string) => countryOf(region) + region.slice(2),
      encode: (region: string) => region
    })
  )
)
