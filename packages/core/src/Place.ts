/**
 * Where people and shops are: regions, zones, locales, network addresses.
 *
 * Each is a module that loads alone: a zone's schema in a browser brings no list of countries.
 *
 * @since 0.1.0
 */
export { IpAddress } from "./internal/place/address.ts"
export { Locale, TimeZone } from "./internal/place/names.ts"
export { Region } from "./internal/place/region.ts"
