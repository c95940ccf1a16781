/** `login` and `logout` (spec cli 4.14). */
import { addressOf, needRepository } from '../../client/repository.ts'
import { removeTicket } from '../../client/ticket-cache.ts'
import { command } from '../command.ts'
import { type ClientContext, connect, repositoryParameters } from './common.ts'

export const login = command({
  path: 'login',
  summary: 'Try to login. If successful, store ticket.',
  parameters: repositoryParameters,
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    await connection.login()
  },
})

export const logout = command({
  path: 'logout',
  summary: 'Logout (delete stored ticket).',
  parameters: repositoryParameters,
  async run(args, context: ClientContext) {
    const { authId, host } = addressOf(await needRepository(context.host, args))
    if (authId.token === null) await removeTicket(context.host, host, authId.user)
  },
})
