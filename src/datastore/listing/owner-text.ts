/** The owner of a group out of its file. */
import { AUTH_ID } from '../../formats/auth-id.ts'

/** The auth id on the first line; null for no file or none that is one. */
export function ownerIn(text: string | null): string | null {
  const owner = (text?.split('\n', 1)[0] ?? '').trimEnd()
  return AUTH_ID.test(owner) ? owner : null
}
