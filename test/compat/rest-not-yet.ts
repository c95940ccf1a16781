/**
 * What the REST recordings show and Cairn does not do yet, each with the reason. A record that a
 * row names is sent all the same; it counts as compared as soon as it agrees, and a row whose
 * records all agree is out of date and fails the test.
 */
import type { RestRecord } from './rest-records.ts'

export interface NotYet {
  readonly reason: string
  readonly matches: (record: RestRecord) => boolean
}

const DATASTORE = '/api2/json/admin/datastore/fxrest'

export const NOT_YET: readonly NotYet[] = [
  {
    reason: 'second factors come with a later issue; until then a login that needs one is refused',
    matches: (record) =>
      record.request.path.includes('/access/tfa') ||
      record.request.path.endsWith('/unlock-tfa') ||
      (record.group === 'login' && /second factor|recovery key|TOTP/.test(record.note ?? '')),
  },
  {
    reason: 'OpenID, LDAP and AD realms come with a later issue',
    matches: (record) => /\/access\/(?:openid|domains\/[^/]+\/sync)/.test(record.request.path),
  },
  {
    reason: 'browsing archives in the server comes with the interface',
    matches: (record) => /\/(?:catalog|pxar-file-download)$/.test(record.request.path),
  },
  {
    reason: 'the history of usage comes with a later issue',
    matches: (record) => /\/(?:rrd|datastore-usage)$/.test(record.request.path),
  },
  {
    reason: 'never: stock shows figures of datastores that the caller may not see',
    matches: (record) => record.group === 'admin-gc' && record.note === 'without privileges',
  },
  {
    reason: 'never: they show collections of the recording machine, with its cache of marks',
    matches: ({ phase, request: { method, path } }) =>
      method === 'GET' &&
      (path === '/api2/json/admin/gc' || (phase === 'change' && /\/gc(?:\/fxrest)?$/.test(path))),
  },
  {
    reason: 'lists of groups show one that a backup on the recording machine made',
    matches: (record) =>
      record.group === 'admin-datastore-change' &&
      record.phase === 'change' &&
      record.request.path === `${DATASTORE}/groups`,
  },
  {
    reason: 'removable media come with a later issue',
    matches: (record) => /\/(?:mount|unmount)$/.test(record.request.path),
  },
  {
    reason: 'never: a refresh that is refused leaves stock in maintenance mode',
    matches: (record) =>
      JSON.stringify(record.response.body).includes('"maintenance-mode":"s3-refresh"'),
  },
  {
    reason: "the host's configuration comes with a later issue",
    matches: (record) => record.request.path === '/api2/json/nodes/localhost/config',
  },
  {
    reason: 'the fixtures hold no log of this task',
    matches: (record) => record.request.path.includes('00000B9B%3A6B017175%3Asyncjob'),
  },
  {
    reason:
      'the backup that is stopped is a stand-in here; real ones are compared with `sessions/`',
    matches: (record) => record.group === 'nodes' && record.note === 'stopped',
  },
  {
    reason: 'the start page of the interface comes with the interface',
    matches: (record) => record.request.path === '/' && record.request.method === 'GET',
  },
]

/** Lists of which we have a part: names of calls, most of which come later. */
export function isIndex(record: RestRecord): boolean {
  const { json } = record.response.body ?? {}
  return JSON.stringify(json ?? null).includes('"subdir"')
}

/** What happened on the recording server is not what happens here: task lists, a running log. */
export function isHistory({ request, response, note }: RestRecord): boolean {
  const isList = request.path === '/api2/json/nodes/localhost/tasks'
  const isRunningLog = note === 'running' && request.path.endsWith('/log')
  return response.status === 200 && (isList || isRunningLog)
}
