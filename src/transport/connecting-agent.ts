/** Kept HTTPS connections that are made by a function of ours: it shakes hands and decides whom to trust. */
import { Agent, type AgentOptions, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { toError } from '../base/errors.ts'

type OnSocket = (error: Error | null, socket: Duplex) => void

/** An agent whose requests wait for `connect`, and fail as it does: then nothing was sent. */
export function createConnectingAgent(
  options: AgentOptions,
  connect: (target: RequestOptions) => Promise<Duplex>,
): Agent {
  const agent = new Agent({ keepAlive: true, ...options })
  // Node takes what the method returns, or what the callback is given later.
  agent.createConnection = (target: RequestOptions, onSocket?: OnSocket) => {
    connect(target).then(
      (socket) => onSocket?.(null, socket),
      // The type wants a socket with every error.
      (error: unknown) => onSocket?.(toError(error), undefined as unknown as Duplex),
    )
    return undefined
  }
  return agent
}
