/** `snapshot upload-log` (spec cli 4.9). */
import { chooseEncryption, openKey, readSmallSource } from '../../client/encryption.ts'
import { uploadLog } from '../../client/snapshots.ts'
import { encodeBlob } from '../../formats/data-blob.ts'
import { command, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  cryptModeParameter,
  keyParameters,
  namespaceParameters,
  repositoryParameters,
  snapshotAddress,
} from './common.ts'

export const snapshotUploadLog = command({
  path: 'snapshot upload-log',
  aliases: ['upload-log'],
  summary: 'Upload backup log file.',
  positionals: ['snapshot', 'logfile'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...keyParameters,
    ...cryptModeParameter,
    snapshot: text('Snapshot path.'),
    logfile: text('The path to the log file you want to upload.'),
  },
  async run(args, context: ClientContext) {
    const { host, output } = context
    const address = snapshotAddress(context, args)
    const { mode, key } = await chooseEncryption(host, args)
    await using connection = await connect(context, args)
    const plain = await readSmallSource(host, args.logfile)
    const crypt = key !== null && mode === 'encrypt' ? (await openKey(host, key)).crypt : null
    const blob = await encodeBlob(plain, { crypt, compress: true })
    const answer = await uploadLog(connection, address, blob)
    output.raw('Result: ')
    output.json(answer, { isPretty: true })
  },
})
