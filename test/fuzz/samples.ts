/** Good input for targets: recorded files, lines of text. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fixturePath } from '../support/fixture-files.ts'
import type { FuzzTarget } from './fuzz.ts'

/** Files of a folder of the fixtures whose name matches. */
export function readFolder(folder: string, pattern = /./): Uint8Array[] {
  const path = fixturePath(folder)
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => new Uint8Array(readFileSync(join(path, entry.name))))
}

/** A fixture of JSON. */
export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(fixturePath(path), 'utf8'))
}

/** Each of `texts` as UTF-8. */
export function lines(...texts: readonly string[]): Uint8Array[] {
  return texts.map((line) => new TextEncoder().encode(line))
}

/** A target that reads UTF-8 text, as files have it. */
export function textTarget(
  name: string,
  samples: readonly Uint8Array[],
  decode: (content: string) => void,
): FuzzTarget {
  return { name, samples, decode: (bytes) => decode(Buffer.from(bytes).toString('utf8')) }
}

/** The same for what takes every text, as far as it goes. */
export function lenient(target: FuzzTarget): FuzzTarget {
  return { ...target, isLenient: true }
}

/** Throws an error that is not ours: what a decoder accepted must have a property. */
export function expect(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`expected: ${what}`)
}
