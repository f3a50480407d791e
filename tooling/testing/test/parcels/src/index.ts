/**
 * @since 0.1.0
 */
export * as ParcelsApi from "./ParcelsApi.ts"
export * as ParcelsDomain from "./ParcelsDomain.ts"
export * as ParcelsItem from "./ParcelsItem.ts"
export * as ParcelsItems from "./ParcelsItems.ts"
export * as ParcelsSettings from "./ParcelsSettings.ts"
