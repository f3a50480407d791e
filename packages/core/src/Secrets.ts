/**
 * Secrets in rows: sealed with a data key per tenant and purpose, which is itself sealed with a key of `HM_SECRETS_KEYS`.
 * A value opens for its tenant and purpose alone, and no more once that data key is forgotten.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { timingSafeEqual } from "node:crypto"
import * as Check from "./Check.ts"
import * as Cipher from "./internal/secrets/cipher.ts"
import * as KeyRows from "./internal/secrets/keyRows.ts"
import { type MasterKeys, parseMasterKeys } from "./internal/secrets/masterKeys.ts"
import { SecretsNotConfigured } from "./SecretsNotConfigured.ts"
import * as Setting from "./Setting.ts"
import { Tenant } from "./Tenant.ts"

export { SecretsNotConfigured }

/**
 * The use of a secret: its table and column, such as `hm_webhook_endpoint.secret`. A value that is copied elsewhere does
 * not open there.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Purpose = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_.-]{0,99}$/, {
    message: "Expected 1 to 100 of a-z, 0-9, _, . and -, beginning with a letter"
  })
)

/**
 * The value cannot be opened, now or later, by this process. `forgotten`: its data key was deleted. `key_missing`:
 * `HM_SECRETS_KEYS` lacks the key that `masterKeyId` names. `unreadable`: the bytes were altered, or sealed for another
 * tenant or purpose, or with a data key that was since forgotten.
 *
 * @category errors
 * @since 0.1.0
 */
export class SecretLost extends Schema.TaggedError<SecretLost>()("SecretLost", {
  purpose: Schema.String,
  reason: Schema.Literals(["forgotten", "key_missing", "unreadable"]),
  masterKeyId: Schema.optionalKey(Schema.String)
}) {}

const keysSetting = Setting.optionalSecret({
  name: "HM_SECRETS_KEYS",
  doc: "Keys that seal secrets in rows: a list of `<id>:<base64 of 32 random bytes>`, the newest first. The first seals, all open. Without it no secret can be written."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [keysSetting]

const malformedKeys = new ConfigProvider.SourceError({
  message: "HM_SECRETS_KEYS: expected a list of <id>:<base64 of 32 random bytes> with different ids"
})

const parseSetting = (text: Redacted.Redacted | undefined): Config.Config<MasterKeys | undefined> => {
  if (text === undefined || Redacted.value(text).trim() === "") return Config.succeed(undefined)
  const keys = parseMasterKeys(Redacted.value(text))
  return keys === undefined ? Config.fail(malformedKeys) : Config.succeed(keys)
}

/**
 * The keys of this process; undefined when none are configured.
 *
 * @category settings
 * @since 0.1.0
 */
export const masterKeys: Config.Config<MasterKeys | undefined> = Config.flatMap(
  keysSetting.config,
  parseSetting
)

/**
 * A keyed hash that names its key, as tokens carry it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signature {
  readonly keyId: string
  readonly bytes: Uint8Array
}

/**
 * The outcome of {@link reseal}. `unreadable` rows are sealed with a key that is not configured, or were altered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resealed {
  readonly resealed: number
  readonly unreadable: number
}

/**
 * Seals and opens secrets of rows. Each call reads the data key by its primary key: a key that is forgotten is forgotten in
 * every process. Inside a transaction a new data key commits with the caller's row.
 *
 * @category services
 * @since 0.1.0
 */
export class Secrets extends Context.Service<
  Secrets,
  {
    /** Returns bytes for a column: 29 more than the value. Makes the data key when there is none. */
    readonly seal: (
      purpose: string,
      value: Redacted.Redacted
    ) => Effect.Effect<Uint8Array, SecretsNotConfigured | SqlError, Tenant>
    readonly open: (
      purpose: string,
      sealed: Uint8Array
    ) => Effect.Effect<Redacted.Redacted, SecretLost | SecretsNotConfigured | SqlError, Tenant>
    /** Opens many values of one purpose in their order, as `open` does, and reads the data key once. */
    readonly openAll: (
      purpose: string,
      sealed: ReadonlyArray<Uint8Array>
    ) => Effect.Effect<
      ReadonlyArray<Result.Result<Redacted.Redacted, SecretLost>>,
      SecretsNotConfigured | SqlError,
      Tenant
    >
    /**
     * Returns 32 bytes by which a value is found again without being stored: HMAC-SHA256 under the tenant's key of the
     * purpose. Another tenant's hash of the same text differs.
     */
    readonly hash: (
      purpose: string,
      text: string
    ) => Effect.Effect<Uint8Array, SecretsNotConfigured | SqlError, Tenant>
    /** Returns the hashes of many values in their order, as `hash` makes them, and reads the data key once. */
    readonly hashes: (
      purpose: string,
      texts: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Uint8Array>, SecretsNotConfigured | SqlError, Tenant>
    /** Signs a text that leaves the installation and comes back. */
    readonly sign: (
      purpose: string,
      text: string
    ) => Effect.Effect<Signature, SecretsNotConfigured | SqlError, Tenant>
    /** Compares in constant time, and makes no key: an unknown tenant or purpose has no valid signature. */
    readonly verify: (
      purpose: string,
      text: string,
      signature: Signature
    ) => Effect.Effect<boolean, SecretsNotConfigured | SqlError, Tenant>
    /** Deletes the data key: what it sealed, hashed or signed is void. Needs no configured key. */
    readonly forget: (purpose: string) => Effect.Effect<void, SqlError, Tenant>
  }
>()("@hypermarket/core/Secrets") {
  /** With `HM_SECRETS_KEYS` from the environment. */
  static readonly layer: Layer.Layer<Secrets, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    Secrets,
    Effect.flatMap(masterKeys, (keys) => make(keys))
  )
}

const decodePurpose = Schema.decodeEffect(Purpose)
/** A purpose is a constant of the code: a malformed one is a mistake there. */
const checkPurpose = (purpose: string) => Effect.orDie(decodePurpose(purpose))

/** A data key whose master key is not in the list is the operator's to repair; an altered row is a defect. */
const orNotConfigured = (error: SecretLost) =>
  error.reason === "key_missing" ? Effect.fail(new SecretsNotConfigured()) : Effect.die(error)

const make = Effect.fnUntraced(function* (keys: MasterKeys | undefined) {
  const sql = yield* SqlClient.SqlClient

  const configured = Effect.suspend(() =>
    keys === undefined ? Effect.fail(new SecretsNotConfigured()) : Effect.succeed(keys)
  )

  const existingKey = Effect.fnUntraced(function* (purpose: string) {
    yield* checkPurpose(purpose)
    const keys = yield* configured
    const { id } = yield* Tenant
    const row = yield* KeyRows.find(sql, id, purpose)
    return row === undefined ? undefined : yield* openRow(keys, row)
  })

  const openRow = Effect.fnUntraced(function* (keys: MasterKeys, row: KeyRows.KeyRow) {
    const opened = KeyRows.open(keys, row)
    return typeof opened === "string"
      ? yield* new SecretLost({ purpose: row.purpose, reason: opened, masterKeyId: row.masterKeyId })
      : { keyId: row.keyId, key: opened }
  })

  const ensuredKey = Effect.fnUntraced(
    function* (purpose: string) {
      const existing = yield* existingKey(purpose)
      if (existing !== undefined) return existing
      const keys = yield* configured
      const { id } = yield* Tenant
      return yield* openRow(keys, yield* KeyRows.insert(sql, keys, id, purpose))
    },
    Effect.catchTag("SecretLost", orNotConfigured)
  )

  const fieldsOf = Effect.fnUntraced(function* (purpose: string) {
    const { id } = yield* Tenant
    return ["hypermarket secret", id, purpose]
  })

  const seal = Effect.fn("Secrets.seal")(function* (purpose: string, value: Redacted.Redacted) {
    const { key } = yield* ensuredKey(purpose)
    return new Uint8Array(
      Cipher.encrypt(
        Cipher.derive(key, "seal"),
        yield* fieldsOf(purpose),
        Buffer.from(Redacted.value(value), "utf8")
      )
    )
  })

  const openAll = Effect.fn("Secrets.openAll")(function* (
    purpose: string,
    sealed: ReadonlyArray<Uint8Array>
  ): Effect.fn.Return<
    ReadonlyArray<Result.Result<Redacted.Redacted, SecretLost>>,
    SecretsNotConfigured | SqlError,
    Tenant
  > {
    if (sealed.length === 0) return []
    const existing = yield* existingKey(purpose).pipe(
      Effect.map((row): Result.Result<Buffer, SecretLost> =>
        row === undefined
          ? Result.fail(new SecretLost({ purpose, reason: "forgotten" }))
          : Result.succeed(Cipher.derive(row.key, "seal"))
      ),
      Effect.catchTag("SecretLost", (error) => Effect.succeed(Result.fail(error)))
    )
    const fields = yield* fieldsOf(purpose)
    return sealed.map((bytes) =>
      Result.flatMap(existing, (key) => {
        const plain = Cipher.decrypt(key, fields, bytes)
        return plain === undefined
          ? Result.fail(new SecretLost({ purpose, reason: "unreadable" }))
          : Result.succeed(Redacted.make(plain.toString("utf8")))
      })
    )
  })

  const open = Effect.fn("Secrets.open")(function* (purpose: string, sealed: Uint8Array) {
    const [result] = yield* openAll(purpose, [sealed])
    return yield* Effect.fromResult(result ?? Result.fail(new SecretLost({ purpose, reason: "unreadable" })))
  })

  const hash = Effect.fn("Secrets.hash")(function* (purpose: string, text: string) {
    const { key } = yield* ensuredKey(purpose)
    return new Uint8Array(Cipher.hmac(Cipher.derive(key, "hash"), text))
  })

  const hashes = Effect.fn("Secrets.hashes")(function* (purpose: string, texts: ReadonlyArray<string>) {
    if (texts.length === 0) return []
    const { key } = yield* ensuredKey(purpose)
    const hashKey = Cipher.derive(key, "hash")
    return texts.map((text) => new Uint8Array(Cipher.hmac(hashKey, text)))
  })

  const sign = Effect.fn("Secrets.sign")(function* (purpose: string, text: string) {
    const { key, keyId } = yield* ensuredKey(purpose)
    return { keyId, bytes: new Uint8Array(Cipher.hmac(Cipher.derive(key, "sign"), text)) }
  })

  const verify = Effect.fn("Secrets.verify")(function* (purpose: string, text: string, signature: Signature) {
    const existing = yield* existingKey(purpose).pipe(
      Effect.catchTag("SecretLost", (error) =>
        error.reason === "unreadable" ? Effect.succeed(undefined) : orNotConfigured(error)
      )
    )
    if (existing === undefined || existing.keyId !== signature.keyId) return false
    const expected = Cipher.hmac(Cipher.derive(existing.key, "sign"), text)
    return expected.byteLength === signature.bytes.byteLength && timingSafeEqual(expected, signature.bytes)
  })

  const forget = Effect.fn("Secrets.forget")(function* (purpose: string) {
    yield* checkPurpose(purpose)
    const { id } = yield* Tenant
    yield* KeyRows.remove(sql, id, purpose)
  })

  return Secrets.of({ seal, open, openAll, hash, hashes, sign, verify, forget })
})

/**
 * Fails when a data key exists that this process cannot open: nothing needs a key before. Warns while data keys wait for
 * {@link reseal}.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check.Check = Check.make(
  "secrets",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const counts = yield* KeyRows.countByMasterKey(sql)
    return yield* Effect.match(masterKeys, {
      onFailure: (error): ReadonlyArray<Check.Finding> => [
        { status: "fail", message: "HM_SECRETS_KEYS is malformed", hint: error.message }
      ],
      onSuccess: (keys) => findingsOf(counts, keys)
    })
  })
)

const keepHint = "put the key back at the end of HM_SECRETS_KEYS"

const findingsOf = (
  counts: ReadonlyArray<KeyRows.Count>,
  keys: MasterKeys | undefined
): ReadonlyArray<Check.Finding> => {
  if (counts.length === 0) return [{ status: "ok", message: "no secret is stored" }]
  return counts.map(({ masterKeyId, rows }): Check.Finding => {
    const message = `${rows} data keys are sealed with ${masterKeyId}`
    if (keys === undefined) return { status: "fail", message, hint: "set HM_SECRETS_KEYS" }
    if (!keys.some(({ id }) => id === masterKeyId)) return { status: "fail", message, hint: keepHint }
    return masterKeyId === keys[0].id
      ? { status: "ok", message }
      : { status: "warn", message, hint: "run the worker: it seals them again within an hour" }
  })
}

/**
 * Seals every data key again that is not sealed with the first of `HM_SECRETS_KEYS`, in batches that commit one by one.
 * What the data keys sealed stays as it is. Rows it cannot open are counted, logged and left. Run it until no row is left,
 * with every process on the new list, before an old key is removed.
 *
 * @category running
 * @since 0.1.0
 */
export const reseal: Effect.Effect<Resealed, SqlError | Config.ConfigError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const keys = yield* masterKeys
    if (keys === undefined) return { resealed: 0, unreadable: 0 }
    return yield* KeyRows.resealAll(sql, keys)
  }
).pipe(Effect.withSpan("Secrets.reseal"))
