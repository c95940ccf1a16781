/** Every command of `cairn`. */
import type { Command } from './command.ts'
import type { CommandContext } from './context.ts'
import { aclCommands } from './server/acl.ts'
import { datastoreCommands } from './server/datastore.ts'
import { reloadCommand } from './server/reload/reload.ts'
import { s3Commands } from './server/s3.ts'
import { serveCommand } from './server/serve.ts'
import { userCommands } from './server/user.ts'
import { tokenCommands } from './server/user-token.ts'
import { versionCommand } from './server/version.ts'

export const SERVER_COMMANDS: readonly Command<CommandContext>[] = [
  serveCommand,
  reloadCommand,
  ...datastoreCommands,
  ...s3Commands,
  ...userCommands,
  ...tokenCommands,
  ...aclCommands,
  versionCommand,
]
