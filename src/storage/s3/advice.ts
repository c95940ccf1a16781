/** What an operator can do about a store's no. */

export const ADVICE_LATER =
  'the store is overloaded or out of reach: check the network and the store, then try again'
export const ADVICE_TRUST =
  'the certificate is not the one of the configuration: check the fingerprint of the endpoint, and who answers there'

const RIGHTS = 'check what the access key may do in this bucket'
const CREDENTIALS = 'check access key and secret key of the endpoint'
const EXPIRED = 'the credentials have expired: give the endpoint new ones'
const CLOCK = 'the clocks of this machine and of the store differ: set them'
const PLACE = 'check endpoint and region'
const SUPPORT = 'the store does not support this request: see its provider quirks'
const SPACE = 'the store is full, or a quota is used up'

const BY_CODE: Readonly<Record<string, string>> = {
  AccessDenied: RIGHTS,
  AllAccessDisabled: RIGHTS,
  AccountProblem: RIGHTS,
  UserSuspended: RIGHTS,
  // The answer to a HEAD says no more.
  '403': `${CREDENTIALS}, and what they may do in this bucket`,
  InvalidAccessKeyId: CREDENTIALS,
  SignatureDoesNotMatch: CREDENTIALS,
  CredentialsProviderError: CREDENTIALS,
  ExpiredToken: EXPIRED,
  InvalidToken: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  RequestTimeTooSkewed: CLOCK,
  RequestExpired: CLOCK,
  NoSuchBucket: 'the bucket does not exist there (any more): check its name, endpoint and region',
  PermanentRedirect: PLACE,
  TemporaryRedirect: PLACE,
  AuthorizationHeaderMalformed: PLACE,
  IllegalLocationConstraintException: PLACE,
  '301': PLACE,
  '307': PLACE,
  '404': PLACE,
  NotImplemented: SUPPORT,
  MethodNotAllowed: SUPPORT,
  '405': SUPPORT,
  QuotaExceeded: SPACE,
  XMinioStorageFull: SPACE,
  InsufficientStorage: SPACE,
  InvalidObjectState: 'the object lies in an archive: bring it back, and take lifecycle rules off',
  ObjectLocked: 'the bucket has object lock: use one without',
  InvalidBucketState: 'check versioning and object lock of the bucket',
}

/** A clause for the end of a message. `region`: where the store says that the bucket is. */
export function adviceFor(code: string, status: number, region: string | undefined): string {
  const known = BY_CODE[code]
  if (known === PLACE && region !== undefined) return `${PLACE}: the bucket is in '${region}'`
  if (known !== undefined) return known
  return status >= 500 || status === 429
    ? ADVICE_LATER
    : 'look for the request in the log of the store'
}
