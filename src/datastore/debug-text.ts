/** Groups and snapshots as stock's texts print them: its internal structure print, which scripts may match. */
import { formatBackupTime } from '../formats/backup-time.ts'
import type { GroupRef, SnapshotRef } from '../formats/names.ts'
import { namespaceComponents, type NamespacePath } from '../formats/namespace.ts'

const TYPE_NAMES = { vm: 'Vm', ct: 'Ct', host: 'Host' } as const

/** `BackupGroup { store: "store1", ns: …, group: … }` */
export function groupText(store: string, ns: NamespacePath, group: GroupRef): string {
  const inner = groupInner(group)
  return `BackupGroup { store: ${quote(store)}, ns: ${namespaceText(ns)}, group: ${inner} }`
}

/** `BackupDir { store: "store1", ns: …, dir: …, backup_time_string: "…" }` */
export function snapshotText(store: string, ns: NamespacePath, ref: SnapshotRef): string {
  const dir = `BackupDir { group: ${groupInner(ref)}, time: ${ref.time} }`
  const time = quote(formatBackupTime(ref.time))
  return `BackupDir { store: ${quote(store)}, ns: ${namespaceText(ns)}, dir: ${dir}, backup_time_string: ${time} }`
}

/** A path or text in quotes, special characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text)
}

function groupInner(group: GroupRef): string {
  return `BackupGroup { ty: ${TYPE_NAMES[group.type]}, id: ${quote(group.id)} }`
}

function namespaceText(ns: NamespacePath): string {
  const inner = namespaceComponents(ns).map(quote).join(', ')
  return `BackupNamespace { inner: [${inner}], len: ${ns.length} }`
}
