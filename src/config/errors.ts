/** Error codes of the configuration files; texts that stock clients read are marked (wire). */
import { defineErrors } from '../base/define-errors.ts'

/** Wire status of an unknown entity where stock answers 400, not 404 (rest-api.md 1.3). */
interface Status {
  readonly status?: number
}

export const errors = defineErrors({
  /** (wire) */
  CONFIG_MODIFIED: {
    kind: 'Conflict',
    message: (_data: { readonly file: string }) =>
      'detected modified configuration - file changed by other user? Try again.',
  },
  CONFIG_UNREADABLE: {
    kind: 'Corrupt',
    message: ({ file, reason }: { readonly file: string; readonly reason: string }) =>
      `Cannot read configuration file '${file}': ${reason}`,
  },
  CONFIG_VALUE: {
    kind: 'Invalid',
    message: ({ key }: { readonly key: string }) =>
      `Cannot store property '${key}': its value contains a line break`,
  },
  /** (wire, rest-api.md 1.4) */
  PROPERTY_STRING: {
    kind: 'Invalid',
    message: ({ reason }: { readonly reason: string }) => reason,
  },
  /** (wire) */
  DATASTORE_EXISTS: {
    kind: 'Conflict',
    message: ({ name }: { readonly name: string }) =>
      `parameter verification failed - 'name': datastore '${name}' already exists.`,
  },
  /** (wire) */
  DATASTORE_PATH_RELATIVE: {
    kind: 'Invalid',
    message: ({ path }: { readonly path: string }) =>
      `parameter verification failed - 'path': expected an absolute path, '${path}' is not`,
  },
  DATASTORE_PATH_UNSTORABLE: {
    kind: 'Invalid',
    message: ({ path }: { readonly path: string }) =>
      `parameter verification failed - 'path': control characters, or white space at an end, in ${JSON.stringify(path)}`,
  },
  TUNING_INVALID: {
    kind: 'Invalid',
    message: (data: { readonly key: string; readonly value: string; readonly expected: string }) =>
      `parameter verification failed - 'tuning': value '${data.value}' of '${data.key}' is none of: ${data.expected}`,
  },
  BACKEND_INVALID: {
    kind: 'Invalid',
    message: ({ reason }: { readonly reason: string }) =>
      `parameter verification failed - 'backend': ${reason}`,
  },
  /** (wire) */
  S3_ENDPOINT_EXISTS: {
    kind: 'Conflict',
    message: ({ id }: { readonly id: string }) =>
      `parameter verification failed - 'id': s3 client config '${id}' already exists.`,
  },
  /** (wire) */
  S3_ENDPOINT_UNKNOWN: {
    kind: 'NotFound',
    message: ({ id }: { readonly id: string } & Status) => `no such s3-endpoint '${id}'`,
  },
  /** (wire) The answer of DELETE. */
  S3_ENDPOINT_MISSING: {
    kind: 'NotFound',
    message: ({ id }: { readonly id: string } & Status) => `s3 client config '${id}' do not exist.`,
  },
  /** (wire) */
  S3_ENDPOINT_IN_USE: {
    kind: 'Conflict',
    message: ({ store }: { readonly id: string; readonly store: string }) =>
      `in-use by datastore ${store}`,
  },
  S3_ENDPOINT_INVALID: {
    kind: 'Invalid',
    message: (data: { readonly id: string; readonly key: string; readonly reason: string }) =>
      `Cannot use S3 endpoint '${data.id}': property '${data.key}': ${data.reason}`,
  },
  /** (wire) */
  DATASTORE_NESTED: {
    kind: 'Conflict',
    message: ({ other, path }: { readonly other: string; readonly path: string }) =>
      `parameter verification failed - 'path': nested datastores not allowed: '${other}' already in "${path}"`,
  },
  /** (wire) */
  DATASTORE_UNKNOWN: {
    kind: 'NotFound',
    message: ({ name }: { readonly name: string } & Status) => `no such datastore '${name}'`,
  },
  /** (wire) The answer of DELETE. */
  DATASTORE_MISSING: {
    kind: 'NotFound',
    message: ({ name }: { readonly name: string } & Status) =>
      `datastore '${name}' does not exist.`,
  },
  /** (wire) */
  DATASTORE_BEING_DELETED: {
    kind: 'Conflict',
    message: (_data: { readonly name: string }) => 'datastore is being deleted',
  },
  /** (wire) */
  USER_EXISTS: {
    kind: 'Conflict',
    message: ({ userid }: { readonly userid: string }) => `user '${userid}' already exists.`,
  },
  /** (wire) */
  USER_UNKNOWN: {
    kind: 'NotFound',
    message: ({ userid }: { readonly userid: string } & Status) => `no such user '${userid}'`,
  },
  /** (wire) */
  USER_MISSING: {
    kind: 'NotFound',
    message: ({ userid }: { readonly userid: string } & Status) =>
      `user '${userid}' does not exist.`,
  },
  /** (wire) */
  TOKEN_EXISTS: {
    kind: 'Conflict',
    message: ({ name, userid }: { readonly name: string; readonly userid: string }) =>
      `token '${name}' for user '${userid}' already exists.`,
  },
  /** (wire) */
  TOKEN_UNKNOWN: {
    kind: 'NotFound',
    message: ({ tokenid }: { readonly tokenid: string } & Status) => `no such token '${tokenid}'`,
  },
  /** (wire) */
  TOKEN_MISSING: {
    kind: 'NotFound',
    message: ({ name, userid }: { readonly name: string; readonly userid: string } & Status) =>
      `token '${name}' of user '${userid}' does not exist.`,
  },
  /** (wire) */
  ACL_PATH: {
    kind: 'Invalid',
    message: ({ path }: { readonly path: string }) => `invalid acl path '${path}'.`,
  },
  /** (wire) */
  ACL_NO_USER: {
    kind: 'Invalid',
    message: (_data: { readonly authId: string }) => 'no such user.',
  },
  /** (wire) */
  ACL_NO_TOKEN: {
    kind: 'Invalid',
    message: (_data: { readonly authId: string }) => 'no such API token.',
  },
  /** (wire) */
  ROLE_UNKNOWN: {
    kind: 'Invalid',
    message: ({ role }: { readonly role: string }) =>
      `parameter verification failed - 'role': value '${role}' is not defined in the enumeration.`,
  },
  /** (wire) */
  REALM_UNKNOWN: {
    kind: 'Invalid',
    message: ({ realm }: { readonly realm: string }) => `unknown realm '${realm}'`,
  },
  REALM_UNSUPPORTED: {
    kind: 'Unsupported',
    message: ({ realm, type }: { readonly realm: string; readonly type: string }) =>
      `realm '${realm}' of type '${type}' is not supported yet`,
  },
  PASSWORD_UNUSABLE: {
    kind: 'Invalid',
    message: (_data: { readonly userid: string }) =>
      'Cannot use password: it contains a NUL character',
  },
  PASSWORD_HASH_UNSUPPORTED: {
    kind: 'Unsupported',
    message: ({ userid }: { readonly userid: string }) =>
      `Cannot check password of '${userid}': the system's crypt library does not know this hash`,
  },
})
