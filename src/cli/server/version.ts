/** `cairn version`. */
import { command } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { CLIENT_VERSION } from '../version.ts'
import { outputFormat } from './administration.ts'

export const versionCommand = command({
  path: 'version',
  summary: 'Shows the version of Cairn and the one that it answers as.',
  parameters: { 'output-format': outputFormat },
  async run(values, { output }: CommandContext) {
    const { SERVER_VERSION } = await import('../../server/compose.ts')
    const own = `${CLIENT_VERSION.version}.${CLIENT_VERSION.release}`
    const answersAs = `${SERVER_VERSION.version}.${SERVER_VERSION.release}`
    output.result(values['output-format'], { version: own, 'answers-as': answersAs }, () =>
      output.line(`cairn ${own} (answers as Proxmox Backup Server ${answersAs})`),
    )
  },
})
