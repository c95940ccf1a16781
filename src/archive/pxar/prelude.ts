/** The stock client's prelude: `{"exclude-patterns":"<lines>"}` (pxar.md 4.2); readers may ignore it. */

/** The prelude that records `patterns`, the text of pxar.md 13.5. */
export function encodePrelude(patterns: string): Uint8Array {
  return Buffer.from(JSON.stringify({ 'exclude-patterns': patterns }))
}
