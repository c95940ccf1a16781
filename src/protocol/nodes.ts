/** The host: parameters and shapes of `/nodes` (rest-api §4.1). */
import { Type } from '../base/schema.ts'
import { closed, NodeName } from './common.ts'

const Bytes = Type.Integer({ minimum: 0 })

export const NodeParameters = closed({ node: NodeName })
export const NodeListShape = Type.Array(Type.Object({ node: Type.String() }))
export const NodeIdentityShape = Type.Object({ 'pbs-instance-id': Type.String() })

export const NodeStatusShape = Type.Object({
  cpu: Type.Number({ description: 'Busy share since the call before, 0 to 1' }),
  wait: Type.Number({ description: 'Share spent waiting for disks, 0 to 1' }),
  loadavg: Type.Array(Type.Number()),
  memory: Type.Object({ total: Bytes, used: Bytes, free: Bytes }),
  swap: Type.Object({ total: Bytes, used: Bytes, free: Bytes }),
  root: Type.Object({ total: Bytes, used: Bytes, avail: Bytes }),
  uptime: Type.Integer(),
  cpuinfo: Type.Object({ model: Type.String(), sockets: Type.Integer(), cpus: Type.Integer() }),
  kversion: Type.String(),
  'current-kernel': Type.Object({
    sysname: Type.String(),
    release: Type.String(),
    version: Type.String(),
    machine: Type.String(),
  }),
  info: Type.Object({ fingerprint: Type.String() }),
  'boot-info': Type.Object({ mode: Type.String(), secureboot: Type.Boolean() }),
})
