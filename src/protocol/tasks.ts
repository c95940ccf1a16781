/** Task lists, states and logs: parameters and shapes of `/nodes/{node}/tasks` (rest-api §4.4). */
import { Type } from '../base/schema.ts'
import { closed, NodeName, StoreName, UpidText } from './common.ts'

const Unsigned = Type.Integer({ format: 'u64' })
const NotNegative = Type.Integer({ minimum: 0 })

export const TaskListParameters = closed({
  node: NodeName,
  errors: Type.Optional(Type.Boolean()),
  limit: Type.Optional(Unsigned),
  running: Type.Optional(Type.Boolean()),
  since: Type.Optional(Type.Integer()),
  start: Type.Optional(Unsigned),
  statusfilter: Type.Optional(
    Type.Array(Type.Enum(['ok', 'warning', 'error', 'unknown'], { format: 'variant' })),
  ),
  store: Type.Optional(StoreName),
  typefilter: Type.Optional(Type.String()),
  until: Type.Optional(Type.Integer()),
  userfilter: Type.Optional(Type.String()),
})

export const TaskListShape = Type.Array(
  Type.Object({
    upid: Type.String(),
    node: Type.String(),
    pid: Type.Integer(),
    pstart: Type.Integer(),
    starttime: Type.Integer(),
    worker_type: Type.String(),
    worker_id: Type.Union([Type.String(), Type.Null()]),
    user: Type.String(),
    endtime: Type.Optional(Type.Integer()),
    status: Type.Optional(Type.String()),
  }),
)

export const TaskParameters = closed({ node: NodeName, upid: UpidText })

export const TaskStatusShape = Type.Object({
  upid: Type.String(),
  node: Type.String(),
  pid: Type.Integer(),
  pstart: Type.Integer(),
  starttime: Type.Integer(),
  type: Type.String(),
  id: Type.Union([Type.String(), Type.Null()]),
  user: Type.String(),
  tokenid: Type.Optional(Type.String()),
  status: Type.Enum(['running', 'stopped']),
  exitstatus: Type.Optional(Type.String()),
  endtime: Type.Optional(Type.Integer()),
})

export const TaskLogParameters = closed({
  node: NodeName,
  upid: UpidText,
  download: Type.Optional(Type.Boolean()),
  limit: Type.Optional(NotNegative),
  start: Type.Optional(NotNegative),
  'test-status': Type.Optional(Type.Boolean()),
})
