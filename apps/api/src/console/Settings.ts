/** The settings of the console's server side. How long sessions last is a setting of the platform. */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"

const enabled = Setting.make({
  name: "HM_CONSOLE_ENABLED",
  doc: "Whether the API serves the console. With false no route exists below `/console`.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

const writes = Setting.make({
  name: "HM_CONSOLE_WRITES",
  doc: "Whether sessions of the console may change anything. With false they carry read scopes only.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

const PublicUrlText = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isPlain =
      url !== undefined && url.search === "" && url.hash === "" && url.username === "" && url.password === ""
    return isPlain && (url.protocol === "https:" || url.protocol === "http:")
      ? undefined
      : "Expected an address such as https://hypermarket.example or https://tools.example/hypermarket"
  })
)

const publicUrl = Setting.make<URL | undefined>({
  name: "HM_CONSOLE_PUBLIC_URL",
  doc: "The address of the API in browsers, with the prefix of a proxy if it has one. Without it only loopback names reach the console.",
  read: (name) => Config.map(Config.schema(PublicUrlText, name), (text) => new URL(text)),
  defaultValue: undefined,
  defaultText: ""
})

const folder = Setting.make<string | undefined>({
  name: "HM_CONSOLE_FOLDER",
  doc: "The folder of the console's built files, instead of the one in the package.",
  read: (name) => Config.String(name),
  defaultValue: undefined,
  defaultText: ""
})

export const settings: ReadonlyArray<Setting.Any> = [enabled, writes, publicUrl, folder]

export const isEnabled: Config.Config<boolean> = enabled.config

/** The parsed settings. */
export const options = Config.all({
  writes: writes.config,
  publicUrl: publicUrl.config,
  folder: folder.config
})

export interface Options {
  readonly writes: boolean
  readonly publicUrl: URL | undefined
  readonly folder: string | undefined
}
