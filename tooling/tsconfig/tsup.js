/**
 * How every published package is bundled: JavaScript only, one chunk graph for all its modules. `tsc` writes the
 * declarations (tsup's own do not work with TypeScript 7). `bundle: false` would leave `.ts` imports in dist.
 */
export const library = {
  entry: ["src/*.ts"],
  format: ["esm"],
  target: "node22",
  bundle: true,
  splitting: true,
  treeshake: false,
  dts: false,
  sourcemap: true,
  clean: false
}

/** How an app is bundled: one entry that runs with `node dist/main.js`, workspace code inside, npm packages outside. */
export const app = {
  ...library,
  entry: ["src/main.ts"],
  noExternal: [/^@hypermarket\//]
}
