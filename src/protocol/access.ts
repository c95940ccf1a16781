/** Users, tokens, ACL, tickets, realms: parameters and shapes of `/access` (rest-api §4.2). */
import { Type } from '../base/schema.ts'
import {
  AclPath,
  AuthidText,
  Comment,
  ConfigDigest,
  closed,
  ShortText,
  TokenName,
  UseridText,
} from './common.ts'

const NO_CONTROL = '^[^\\u0000-\\u001f\\u007f]*$'
const Expire = Type.Integer({ minimum: 0, description: 'Unix seconds; 0 = never' })
const NewPassword = Type.String({ minLength: 8, maxLength: 64, pattern: NO_CONTROL })
const GivenPassword = Type.String({ minLength: 1, maxLength: 1024, pattern: NO_CONTROL })
const OptionalDigest = Type.Optional(ConfigDigest)

const personal = {
  comment: Type.Optional(Comment),
  email: Type.Optional(ShortText),
  enable: Type.Optional(Type.Boolean()),
  expire: Type.Optional(Expire),
  firstname: Type.Optional(ShortText),
  lastname: Type.Optional(ShortText),
}

export const TicketParameters = closed({
  username: UseridText,
  'http-only': Type.Optional(Type.Boolean()),
  password: Type.Optional(Type.String()),
  path: Type.Optional(Type.String()),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  privs: Type.Optional(Type.String()),
  'tfa-challenge': Type.Optional(Type.String()),
})
export const TicketShape = Type.Object({
  username: Type.String(),
  ticket: Type.Optional(Type.String()),
  'ticket-info': Type.Optional(Type.String()),
  CSRFPreventionToken: Type.Optional(Type.String()),
})

export const PasswordParameters = closed({
  userid: UseridText,
  password: NewPassword,
  'confirmation-password': Type.Optional(GivenPassword),
})

const TokenShape = Type.Object({
  tokenid: Type.String(),
  'token-name': Type.Optional(Type.String()),
  comment: Type.Optional(Type.String()),
  enable: Type.Optional(Type.Boolean()),
  expire: Type.Optional(Expire),
})
export const TokenListShape = Type.Array(TokenShape)
export const TokenReadShape = TokenShape
export const TokenSecretShape = Type.Object({ tokenid: Type.String(), value: Type.String() })

export const UserShape = Type.Object({
  userid: Type.String(),
  ...personal,
  tokens: Type.Optional(Type.Array(TokenShape)),
  'totp-locked': Type.Optional(Type.Boolean()),
  'tfa-locked-until': Type.Optional(Type.Integer()),
})

export const UserListParameters = closed({ include_tokens: Type.Optional(Type.Boolean()) })
export const UserParameters = closed({ userid: UseridText })
export const UserCreateParameters = closed({
  userid: UseridText,
  ...personal,
  password: Type.Optional(NewPassword),
})
export const UserChangeParameters = closed({
  userid: UseridText,
  ...personal,
  password: Type.Optional(GivenPassword),
  delete: Type.Optional(Type.Array(Type.Enum(['comment', 'firstname', 'lastname', 'email']))),
  digest: OptionalDigest,
})
export const UserRemoveParameters = closed({ userid: UseridText, digest: OptionalDigest })

const tokenPath = { userid: UseridText, 'token-name': TokenName }
const tokenMembers = {
  comment: personal.comment,
  enable: personal.enable,
  expire: personal.expire,
  digest: OptionalDigest,
}
export const TokenParameters = closed(tokenPath)
export const TokenCreateParameters = closed({ ...tokenPath, ...tokenMembers })
export const TokenChangeParameters = closed({
  ...tokenPath,
  ...tokenMembers,
  delete: Type.Optional(Type.Array(Type.Enum(['comment']))),
  regenerate: Type.Optional(Type.Boolean()),
})
export const TokenRemoveParameters = closed({ ...tokenPath, digest: OptionalDigest })

export const RoleName = Type.Enum([
  'Admin',
  'Audit',
  'NoAccess',
  'DatastoreAdmin',
  'DatastoreReader',
  'DatastoreBackup',
  'DatastorePowerUser',
  'DatastoreAudit',
  'RemoteAudit',
  'RemoteAdmin',
  'RemoteSyncOperator',
  'RemoteSyncPushOperator',
  'RemoteDatastorePowerUser',
  'RemoteDatastoreAdmin',
  'TapeAudit',
  'TapeAdmin',
  'TapeOperator',
  'TapeReader',
])
export const RoleListShape = Type.Array(
  Type.Object({ roleid: Type.String(), privs: Type.Array(Type.String()), comment: Type.String() }),
)

export const AclListParameters = closed({
  exact: Type.Optional(Type.Boolean()),
  path: Type.Optional(AclPath),
})
export const AclListShape = Type.Array(
  Type.Object({
    path: Type.String(),
    ugid: Type.String(),
    ugid_type: Type.Enum(['user', 'group']),
    propagate: Type.Boolean(),
    roleid: Type.String(),
  }),
)
export const AclChangeParameters = closed({
  path: AclPath,
  role: RoleName,
  'auth-id': Type.Optional(AuthidText),
  group: Type.Optional(
    Type.String({ minLength: 3, maxLength: 64, pattern: '^[^\\s:/\\u0000-\\u001f\\u007f]+$' }),
  ),
  propagate: Type.Optional(Type.Boolean()),
  delete: Type.Optional(Type.Boolean()),
  digest: OptionalDigest,
})

export const PermissionsParameters = closed({
  'auth-id': Type.Optional(AuthidText),
  path: Type.Optional(AclPath),
})
export const PermissionsShape = Type.Record(
  Type.String(),
  Type.Record(Type.String(), Type.Boolean()),
)

export const RealmListShape = Type.Array(
  Type.Object({
    realm: Type.String(),
    type: Type.String(),
    comment: Type.Optional(Type.String()),
    default: Type.Optional(Type.Boolean()),
  }),
)

export const FactorParameters = closed({ userid: UseridText, id: Type.String() })
export const FactorShape = Type.Object({
  id: Type.String(),
  type: Type.String(),
  created: Type.Integer(),
  description: Type.Optional(Type.String()),
  enable: Type.Optional(Type.Boolean()),
})
export const FactorsOfUserShape = Type.Object({
  userid: Type.String(),
  entries: Type.Array(FactorShape),
  'totp-locked': Type.Optional(Type.Boolean()),
  'tfa-locked-until': Type.Optional(Type.Integer()),
})
