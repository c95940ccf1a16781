/** `key create|show|change-passphrase` (spec cli 4.18). */
import { formatLocalDate } from '../../base/time/local-date.ts'
import { changeKeyPassphrase, createKey, showKey } from '../../client/keys.ts'
import { choice, command, optional, text, withDefault } from '../command.ts'
import { type ClientContext, formatParameters } from './common.ts'

const KDF_NAMES = ['none', 'scrypt', 'pbkdf2'] as const
const HINT_LENGTH_MAX = 64

const parameters = {
  path: optional(text('Key file. Without this the default key is used.')),
  kdf: withDefault(choice('Key derivation function for the password.', KDF_NAMES), 'scrypt'),
  hint: optional(text('Password hint.', { lengthMin: 1, lengthMax: HINT_LENGTH_MAX })),
} as const

export const keyCreate = command({
  path: 'key create',
  summary: 'Create a new encryption key.',
  positionals: ['path'],
  parameters,
  async run({ path, kdf, hint }, context: ClientContext) {
    await createKey(context.host, { path: path ?? null, kdf, hint })
  },
})

export const keyChangePassphrase = command({
  path: 'key change-passphrase',
  summary: "Change the encryption key's password.",
  positionals: ['path'],
  parameters,
  async run({ path, kdf, hint }, context: ClientContext) {
    await changeKeyPassphrase(context.host, { path: path ?? null, kdf, hint })
  },
})

export const keyShow = command({
  path: 'key show',
  summary: "Print the encryption key's metadata.",
  positionals: ['path'],
  parameters: { path: parameters.path, ...formatParameters },
  async run(args, context: ClientContext) {
    const key = await showKey(context.host, args.path ?? null)
    // The quotes around the path are stock's, in every format.
    const shown = { ...key, path: JSON.stringify(key.path) }
    const { output } = context
    output.result(args['output-format'], shown, () => {
      output.properties([
        ['path', shown.path],
        ['kdf', key.kdf],
        ['created', formatLocalDate(key.created)],
        ['modified', formatLocalDate(key.modified)],
        ['fingerprint', key.fingerprint],
        ['hint', key.hint],
      ])
    })
  },
})
