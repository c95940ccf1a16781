/** All commands of `cairn-client`. */
import { backupCommand } from './client/backup.ts'
import { changeOwnerCommand } from './client/change-owner.ts'
import type { ClientContext } from './client/common.ts'
import { garbageCollect } from './client/garbage-collect.ts'
import { groupForget } from './client/group-forget.ts'
import { groupMove } from './client/group-move.ts'
import { keyChangePassphrase, keyCreate, keyShow } from './client/key.ts'
import { list } from './client/list.ts'
import { login, logout } from './client/login.ts'
import {
  namespaceCreate,
  namespaceDelete,
  namespaceList,
  namespaceMove,
} from './client/namespace.ts'
import { prune } from './client/prune.ts'
import { restoreCommand } from './client/restore.ts'
import { snapshotFiles } from './client/snapshot-files.ts'
import { snapshotForget } from './client/snapshot-forget.ts'
import { snapshotList } from './client/snapshot-list.ts'
import { snapshotNotesShow, snapshotNotesUpdate } from './client/snapshot-notes.ts'
import { snapshotProtectedShow, snapshotProtectedUpdate } from './client/snapshot-protected.ts'
import { snapshotUploadLog } from './client/snapshot-upload-log.ts'
import { status } from './client/status.ts'
import { taskList, taskLog, taskStop } from './client/task.ts'
import { version } from './client/version.ts'
import type { Command } from './command.ts'

export const CLIENT_COMMANDS: readonly Command<ClientContext>[] = [
  backupCommand,
  changeOwnerCommand,
  garbageCollect,
  groupForget,
  groupMove,
  keyChangePassphrase,
  keyCreate,
  keyShow,
  list,
  login,
  logout,
  namespaceCreate,
  namespaceDelete,
  namespaceList,
  namespaceMove,
  prune,
  restoreCommand,
  snapshotFiles,
  snapshotForget,
  snapshotList,
  snapshotNotesShow,
  snapshotNotesUpdate,
  snapshotProtectedShow,
  snapshotProtectedUpdate,
  snapshotUploadLog,
  status,
  taskList,
  taskLog,
  taskStop,
  version,
]
