/**
 * @since 0.1.0
 */
export * as ApiKey from "./ApiKey.ts"
export * as KeyCredentials from "./KeyCredentials.ts"
export * as PlatformApi from "./PlatformApi.ts"
export * as PlatformDomain from "./PlatformDomain.ts"
export * as PlatformMigrations from "./PlatformMigrations.ts"
export * as TenantAccount from "./TenantAccount.ts"
