/**
 * Which objects below `.cnt/` are parts of a datastore's tree. Whoever can write to the bucket chooses the keys: nothing
 * but these shapes becomes a path here (datastore-semantics.md 19.6).
 */
import { BACKUP_TIME } from '../../formats/backup-time.ts'
import { isBackupType } from '../../formats/names.ts'
import { NAMESPACE_DEPTH_MAX } from '../../formats/namespace.ts'
import { SAFE_ID } from '../../formats/safe-id.ts'
import { NAMESPACES_FOLDER, NOTES_FILE, OWNER_FILE, PROTECTED_FILE } from '../layout.ts'
import { NAMESPACE_OBJECT } from './keys.ts'

export type ContentKind = 'namespace' | 'file'

/** What lies at `path` (below the datastore's folder); null: nothing of ours. */
export function kindOfContent(path: string): ContentKind | null {
  const names = path.split('/')
  let depth = 0
  while (names[0] === NAMESPACES_FOLDER && names.length > 2) {
    if (!isName(names[1]) || depth === NAMESPACE_DEPTH_MAX) return null
    depth += 1
    names.splice(0, 2)
  }
  if (depth > 0 && names.length === 1 && names[0] === NAMESPACE_OBJECT) return 'namespace'
  const [type = '', id, third = '', file] = names
  if (!isBackupType(type) || !isName(id)) return null
  if (names.length === 3) return third === OWNER_FILE || third === NOTES_FILE ? 'file' : null
  if (names.length !== 4 || !BACKUP_TIME.test(third)) return null
  return file === PROTECTED_FILE || isName(file) ? 'file' : null
}

function isName(name: string | undefined): boolean {
  return name !== undefined && SAFE_ID.test(name)
}
