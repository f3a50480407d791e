import { assert, describe, it } from "@effect/vitest"
import type { TenantServices } from "@hypermarket/core/Promises"
import type * as Service from "@hypermarket/core/Service"
import type { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { domains } from "./suites/door.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** The parameters and the result of its last signature: of a method with one signature, all that it has. */
type Single<M> = M extends (...args: infer P) => infer R ? (...args: P) => R : M

type Methods<T> =
  T extends Service.Service<infer Tag, infer Internal> ? Omit<Tag["Service"], Internal> : never

/** The names of methods with several signatures or type parameters, which the door cannot offer. */
type Refused<S> = { [K in keyof S]: Equal<S[K], Single<S[K]>> extends true ? never : K }[keyof S]

type Offered = (typeof domains)[number]["domain"]["services"]
type AllRefused<O> = O extends unknown ? { [N in keyof O]: Refused<Methods<O[N]>> }[keyof O] : never

interface Overloaded {
  readonly several: {
    (text: string): Effect.Effect<number>
    (count: number): Effect.Effect<string>
  }
  readonly generic: <A>(value: A) => Effect.Effect<A>
  readonly plain: (text: string, max?: number) => Effect.Effect<number>
}

describe("The methods that domains offer", () => {
  it("have one signature and no type parameters", () => {
    const refused: Equal<AllRefused<Offered>, never> = true
    // The check sees both.
    const seen: Equal<Refused<Overloaded>, "several" | "generic"> = true
    assert.isTrue(refused && seen)
  })

  it("keep the names and the form of their optional arguments", () => {
    type Compare = TenantServices<typeof domains>["documents"]["compare"]
    const keeps: Equal<Parameters<Compare>, [indexName: string, versionId?: string | undefined]> = true
    assert.isTrue(keeps)
  })
})

const folder = Path.resolve(import.meta.dirname, "..")

/** The declarations of suites/doorHovers.ts, as an editor shows the types. */
const declarations = (): string => {
  const out = mkdtempSync(Path.join(tmpdir(), "hm-hovers-"))
  try {
    const options = {
      declaration: "true",
      emitDeclarationOnly: "true",
      noEmit: "false",
      declarationMap: "false",
      outDir: out,
      tsBuildInfoFile: Path.join(out, "tsbuildinfo")
    }
    execFileSync(
      Path.join(folder, "node_modules/.bin/tsc"),
      [
        "-p",
        "tsconfig.test.json",
        ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
      ],
      { cwd: folder }
    )
    return readFileSync(Path.join(out, "test/suites/doorHovers.d.ts"), "utf8")
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

describe("The type of a method", () => {
  it("is shown in plain words: no Effect, no brand, no schema", () => {
    const shown = declarations()
    const signatures = shown.split("export declare const ").slice(1)
    assert.deepStrictEqual(
      signatures.map((signature) => signature.slice(0, signature.indexOf(":"))),
      ["publish", "ensure", "dead", "search", "place", "run"]
    )
    assert.notMatch(shown, /effect\/|Effect|Brand|Schema|DateTime|Option</)
    assert.strictEqual(
      signatures[2]?.replaceAll(/\s+/g, " "),
      'dead: (queue: string, request: { readonly limit?: number; readonly cursor?: string; readonly type?: string; readonly failure?: string; readonly diedFrom?: string | Date; readonly diedBefore?: string | Date; }) => Promise<{ readonly items: readonly { readonly queue: string; readonly seq: string; readonly jobId: string; readonly type: string; readonly attempt: number; readonly orderingKey: string | null; readonly errors: import("@hypermarket/core/AsyncService").Json; readonly rejected: string | null; readonly failure: string; readonly diedAt: string; }[]; readonly nextCursor: string | null; }>; '
    )
    assert.include(
      signatures[0]?.replaceAll(/\s+/g, " "),
      '}[]) => Promise<readonly { readonly id: string; readonly state: "accepted" | "duplicate"; }[]>;'
    )
    assert.include(signatures[4] ?? "", "readonly unitPrice: string | bigint;")
    assert.include(signatures[4] ?? "", "readonly placedAt: string | Date;")
  })
})
