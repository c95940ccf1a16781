/** `/nodes`, `/nodes/{node}/status`, `/nodes/{node}/identity` (rest-api §4.1). */
import { createHash } from 'node:crypto'
import { NO_PARAMETERS } from '../../../protocol/common.ts'
import { AUTHENTICATED, privilege, SUPERUSER } from '../../../protocol/endpoint.ts'
import {
  NodeIdentityShape,
  NodeListShape,
  NodeParameters,
  NodeStatusShape,
} from '../../../protocol/nodes.ts'
import type { ServerContext } from '../../context.ts'
import { type Route, route } from '../../route.ts'
import {
  CpuMeter,
  readBootInfo,
  readCpuInfo,
  readKernel,
  readLoad,
  readMemory,
} from './host-status.ts'

/** One meter per server, so that shares count from the call before. */
const meters = new WeakMap<ServerContext, CpuMeter>()

export const nodeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/nodes',
    summary: 'Lists the hosts: this one',
    parameters: NO_PARAMETERS,
    returns: NodeListShape,
    permission: SUPERUSER,
    run: async (_parameters, { context }) => [{ node: context.node }],
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/status',
    summary: 'Load, memory and kernel of the host',
    parameters: NodeParameters,
    returns: NodeStatusShape,
    permission: privilege('/system/status', 'Sys.Audit'),
    run: async (_parameters, { context }) => await readStatus(context),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/identity',
    summary: 'An id of this server that stays the same',
    parameters: NodeParameters,
    returns: NodeIdentityShape,
    permission: AUTHENTICATED,
    run: async (_parameters, { context }) => ({ 'pbs-instance-id': instanceId(context) }),
  }),
]

async function readStatus(context: ServerContext): Promise<object> {
  const { fs } = context
  const meter = meters.get(context) ?? new CpuMeter(fs)
  meters.set(context, meter)
  const { total, used, available } = await fs.usage('/')
  const { kversion, kernel } = readKernel()
  return {
    ...(await meter.read()),
    ...(await readMemory(fs)),
    ...readLoad(),
    root: { total, used, avail: available },
    cpuinfo: await readCpuInfo(fs),
    kversion,
    'current-kernel': kernel,
    info: { fingerprint: context.fingerprint },
    'boot-info': await readBootInfo(fs),
  }
}

/** From the certificate, which stays when the machine changes: 32 hex digits. */
function instanceId({ fingerprint }: ServerContext): string {
  return createHash('sha256').update(`cairn instance ${fingerprint}`).digest('hex').slice(0, 32)
}
