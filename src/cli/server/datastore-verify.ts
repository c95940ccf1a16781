/** `cairn datastore verify`, and stock's `verify`. Source: spec cli 9.2, 9.3. */
import { parseBytes } from '../../base/human-units.ts'
import { verifyScope, verifyTaskName } from '../../datastore/verify/verify-scope.ts'
import { parseNamespace } from '../../formats/namespace.ts'
import { type Command, command, flag, integer, optional, type Parameter, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { placeParameters, SAFE_ID_RULES } from './administration.ts'
import { runStoreTask } from './store-task.ts'

const threads = { min: 1, max: 32 }
const rate: Parameter<number> = {
  ...integer('Bytes read per second at most, as 50MiB.'),
  parse(value) {
    const bytes = parseBytes(value)
    return bytes === null || bytes === 0 ? { problem: 'unable to parse size' } : { value: bytes }
  },
}

export const verifyDatastoreCommand = verifyCommandAt('datastore verify')
/** The name that stock's manager gives it. */
export const verifyCommand = verifyCommandAt('verify')

function verifyCommandAt(path: string): Command<CommandContext> {
  return command({
    path,
    summary: 'Reads every chunk of a datastore and checks its digest.',
    positionals: ['name'],
    parameters: {
      name: text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 }),
      'ignore-verified': flag('Skip snapshots that were verified.', { byDefault: true }),
      'outdated-after': optional(integer('Days after which one is verified again.', { min: 0 })),
      ns: optional(text('Only this namespace and those below.')),
      'max-depth': optional(integer('Levels below it.', { min: 0, max: 7 })),
      'read-threads': optional(integer('Files read at a time.', threads)),
      'verify-threads': optional(integer('Chunks decoded at a time.', threads)),
      'rate-limit': optional(rate),
      ...placeParameters,
    },
    async run(values, context: CommandContext) {
      const maxDepth = values['max-depth']
      const scope = { kind: 'all', ns: parseNamespace(values.ns ?? ''), maxDepth } as const
      const parameters = {
        ns: values.ns,
        'max-depth': maxDepth,
        'ignore-verified': values['ignore-verified'],
        'outdated-after': values['outdated-after'],
        'read-threads': values['read-threads'],
        'verify-threads': values['verify-threads'],
        'rate-limit': values['rate-limit'],
      }
      await runStoreTask(values, context, {
        operation: 'read',
        task: verifyTaskName(values.name, scope),
        call: { path: 'verify', parameters },
        run: async (store, { progress, upid }) => {
          await verifyScope(store, scope, {
            progress,
            upid,
            ignoreVerified: values['ignore-verified'],
            outdatedAfterDays: values['outdated-after'],
            readThreads: values['read-threads'],
            verifyThreads: values['verify-threads'],
            rateLimit: values['rate-limit'],
          })
        },
      })
    },
  })
}
