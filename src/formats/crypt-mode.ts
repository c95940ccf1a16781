/** How a file of a snapshot is protected (formats.md 6.2). */
import { errors } from './errors.ts'

/** `sign-only`: plain chunks and digests, but the manifest is signed. */
export type CryptMode = 'none' | 'encrypt' | 'sign-only'

export const CRYPT_MODES: readonly CryptMode[] = Object.freeze(['none', 'encrypt', 'sign-only'])

/** Throws CRYPT_MODE_INVALID. */
export function parseCryptMode(text: string): CryptMode {
  const mode = CRYPT_MODES.find((mode) => mode === text)
  if (mode === undefined) throw errors.CRYPT_MODE_INVALID({ text })
  return mode
}
