import * as Schema from "effect/Schema"

const ipv4Pattern = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const ipv6Pattern = /^[0-9A-Fa-f:.]{2,45}$/

/**
 * An address of IPv4 or IPv6, without a port or a zone.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IpAddress = Schema.String.check(
  Schema.makeFilter(
    (address: string) =>
      ipv4Pattern.test(address) ||
      (ipv6Pattern.test(address) && address.includes(":") && URL.canParse(`http://[${address}]/`))
        ? undefined
        : "Expected an address of IPv4 or IPv6",
    { expected: "an address of IPv4 or IPv6", toJsonSchema: () => ({ minLength: 2, maxLength: 45 }) }
  )
)
