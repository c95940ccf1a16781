/** What `version` says of this program. */

/** Same members as the server's answer to `GET version`. */
export const CLIENT_VERSION = { version: '0.1', release: '0', repoid: 'cairn' } as const
