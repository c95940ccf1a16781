/** Schemas that many calls share: names, ids, limits (rest-api §1.6). */
import type { TObject, TProperties } from 'typebox'
import { Type } from '../base/schema.ts'

export const SAFE_ID_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9._\\-]*$'
export const NAMESPACE_PATTERN =
  '^(?:(?:[A-Za-z0-9_][A-Za-z0-9._\\-]*/){0,7}[A-Za-z0-9_][A-Za-z0-9._\\-]*)?$'
export const USERID_PATTERN = '^[^\\s:/\\u0000-\\u001f\\u007f]+@[A-Za-z0-9_][A-Za-z0-9._\\-]*$'
export const AUTHID_PATTERN =
  '^[^\\s:/\\u0000-\\u001f\\u007f]+@[A-Za-z0-9_][A-Za-z0-9._\\-]*(?:![A-Za-z0-9_][A-Za-z0-9._\\-]*)?$'
const NO_CONTROL_PATTERN = '^[^\\u0000-\\u001f\\u007f]*$'
const ACL_PATH_PATTERN = '^(?:/|(?:/[A-Za-z0-9_][A-Za-z0-9._\\-]*)+)$'
const NODE_PATTERN = '^[a-zA-Z0-9](?:[a-zA-Z0-9\\-]*[a-zA-Z0-9])?$'

export const StoreName = Type.String({ minLength: 3, maxLength: 32, pattern: SAFE_ID_PATTERN })
export const SafeId = Type.String({ pattern: SAFE_ID_PATTERN })
export const BackupTypeName = Type.Enum(['vm', 'ct', 'host'], { format: 'variant' })
export const BackupTime = Type.Integer({ minimum: 1 })
export const Namespace = Type.String({
  maxLength: 256,
  pattern: NAMESPACE_PATTERN,
})
export const MaxDepth = Type.Integer({ minimum: 0, maximum: 7 })
export const UseridText = Type.String({ minLength: 3, maxLength: 64, pattern: USERID_PATTERN })
export const AuthidText = Type.String({ minLength: 3, maxLength: 64, pattern: AUTHID_PATTERN })
export const TokenName = Type.String({ pattern: SAFE_ID_PATTERN })
export const RealmName = Type.String({ minLength: 2, maxLength: 32, pattern: SAFE_ID_PATTERN })
export const Comment = Type.String({ maxLength: 128, pattern: NO_CONTROL_PATTERN })
export const ShortText = Type.String({ minLength: 2, maxLength: 64, pattern: NO_CONTROL_PATTERN })
export const ConfigDigest = Type.String({ pattern: '^[a-f0-9]{64}$' })
export const ChunkDigest = Type.String({ pattern: '^[a-f0-9]{64}$' })
export const AclPath = Type.String({ minLength: 1, maxLength: 128, pattern: ACL_PATH_PATTERN })
export const NodeName = Type.String({ pattern: NODE_PATTERN })
export const KeepCount = Type.Integer({ minimum: 1 })
const UPID_PATTERN =
  '^UPID:[a-zA-Z0-9](?:[a-zA-Z0-9\\-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:' +
  '[0-9A-Fa-f]{8,16}:[0-9A-Fa-f]{8}:[^:\\s]+:[^:\\s]*:[^:\\s]+:$'
export const UpidText = Type.String({ minLength: 36, pattern: UPID_PATTERN })

/**
 * Members that name a group. `x-nested` says how deep stock nests them, which only shows in the
 * order of the missing ones.
 */
export const groupParameters = {
  'backup-type': Type.Enum(['vm', 'ct', 'host'], { format: 'variant', 'x-nested': 2 }),
  'backup-id': Type.String({ pattern: SAFE_ID_PATTERN, 'x-nested': 2 }),
  ns: Type.Optional(Namespace),
}

/** Members that name a snapshot. */
export const snapshotParameters = {
  ...groupParameters,
  'backup-time': Type.Integer({ minimum: 1, 'x-nested': 1 }),
}

/** Members that name a snapshot in calls that take them from the query only. */
export const rawSnapshotParameters = {
  'backup-type': Type.Enum(['vm', 'ct', 'host']),
  'backup-id': SafeId,
  'backup-time': BackupTime,
  ns: Type.Optional(Namespace),
}

/** The retention options of a prune. */
export const keepParameters = {
  'keep-last': Type.Optional(KeepCount),
  'keep-hourly': Type.Optional(KeepCount),
  'keep-daily': Type.Optional(KeepCount),
  'keep-weekly': Type.Optional(KeepCount),
  'keep-monthly': Type.Optional(KeepCount),
  'keep-yearly': Type.Optional(KeepCount),
}

/** A closed object of parameters: unknown names are refused. */
export function closed<Properties extends TProperties>(
  properties: Properties,
): TObject<Properties> {
  return Type.Object(properties, { additionalProperties: false })
}

/** Parameters of a directory node, which takes anything. */
export const OPEN_PARAMETERS = Type.Object({}, { additionalProperties: true })

/** No parameters at all. */
export const NO_PARAMETERS = closed({})

/** The result of calls that answer nothing. */
export const Nothing = Type.Null()
