/** `version`: of this client, and of the server where one is known (spec cli 4.13). */
import { toError } from '../../base/errors.ts'
import { openConnection } from '../../client/connection.ts'
import { type Repository, findRepository } from '../../client/repository.ts'
import { command } from '../command.ts'
import { CLIENT_VERSION } from '../version.ts'
import { type ClientContext, formatParameters, repositoryParameters } from './common.ts'

export const version = command({
  path: 'version',
  summary: 'Show client and optional server version',
  parameters: { ...repositoryParameters, ...formatParameters },
  async run(args, context: ClientContext) {
    const { output } = context
    const repository = await findRepository(context.host, args)
    const server = repository === null ? null : await serverVersion(context, repository)
    const client = CLIENT_VERSION
    const result = server === null ? { client } : { client, server }
    output.result(args['output-format'], result, () => {
      output.line(`client version: ${versionText(client)}`)
      if (server !== null) output.line(`server version: ${versionText(server)}`)
    })
  },
})

async function serverVersion(
  context: ClientContext,
  repository: Repository,
): Promise<object | null> {
  try {
    const options = { signal: context.signal }
    await using connection = await openConnection(context.host, repository, options)
    const { data } = await connection.get('version')
    return typeof data === 'object' ? data : null
  } catch (error) {
    context.output.log(`could not connect to server - ${toError(error).message}`)
    return null
  }
}

function versionText(version: object): string {
  const part = (name: string) => String(Reflect.get(version, name))
  return `${part('version')}.${part('release')}`
}
