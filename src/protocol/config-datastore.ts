/** Datastores as they are configured: parameters and shapes of `/config/datastore` (rest-api §4.9). */
import { Type } from '../base/schema.ts'
import { Comment, ConfigDigest, closed, KeepCount, StoreName, UseridText } from './common.ts'

const Text = Type.Optional(Type.String())
const Schedule = Type.Optional(Type.String({ format: 'calendar-event' }))
const Flag = Type.Optional(Type.Boolean())
const Keep = Type.Optional(KeepCount)

/** Members that can be set at creation and later. */
const options = {
  comment: Type.Optional(Comment),
  'counter-reset-schedule': Schedule,
  'gc-on-unmount': Flag,
  'gc-schedule': Schedule,
  'keep-daily': Keep,
  'keep-hourly': Keep,
  'keep-last': Keep,
  'keep-monthly': Keep,
  'keep-weekly': Keep,
  'keep-yearly': Keep,
  'maintenance-mode': Text,
  'notification-mode': Type.Optional(
    Type.Enum(['legacy-sendmail', 'notification-system'], { format: 'variant' }),
  ),
  'notification-thresholds': Text,
  notify: Text,
  'notify-user': Type.Optional(UseridText),
  'prune-schedule': Schedule,
  tuning: Text,
  'verify-new': Flag,
}

const REMOVABLE = [
  'comment',
  'gc-schedule',
  'gc-on-unmount',
  'prune-schedule',
  'keep-last',
  'keep-hourly',
  'keep-daily',
  'keep-weekly',
  'keep-monthly',
  'keep-yearly',
  'verify-new',
  'notify-user',
  'notify',
  'notification-mode',
  'tuning',
  'maintenance-mode',
  'notification-thresholds',
  'counter-reset-schedule',
] as const

export const DatastoreConfigShape = Type.Object({
  name: Type.String(),
  path: Type.String(),
  backend: Text,
  'backing-device': Text,
  ...options,
})

export const DatastoreCreateParameters = closed({
  name: StoreName,
  path: Type.String({ minLength: 1, maxLength: 4096 }),
  backend: Text,
  'backing-device': Text,
  ...options,
  'overwrite-in-use': Flag,
  'reuse-datastore': Flag,
})

export const DatastoreReadParameters = closed({ name: StoreName })

export const DatastoreChangeParameters = closed({
  name: StoreName,
  ...options,
  delete: Type.Optional(Type.Array(Type.Enum([...REMOVABLE]))),
  digest: Type.Optional(ConfigDigest),
})

export const DatastoreRemoveParameters = closed({
  name: StoreName,
  'destroy-data': Flag,
  digest: Type.Optional(ConfigDigest),
  'keep-job-configs': Flag,
})
