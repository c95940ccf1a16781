/** Requests on HTTP/1.1 as data and as bytes, and whether answers to them are right. */
import { type Call, plainCall, urlOf } from './call.ts'

export const HEAD_END = '\r\n\r\n'

export interface HttpRequest {
  readonly call: Call
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** As it goes on the wire; what is cut off the body is announced all the same. */
export function formatRequest({ call, headers }: HttpRequest): Buffer {
  const { body, cutAt, contentType, method } = call
  const length = body === null ? [] : [`content-length: ${body.length}`]
  const type = body === null ? [] : [`content-type: ${contentType}`]
  const lines = [
    `${method} ${urlOf(call)} HTTP/1.1`,
    'host: localhost',
    ...headers.map((pair) => pair.join(': ')),
    ...type,
    ...length,
  ]
  const sent = (body ?? new Uint8Array(0)).subarray(0, cutAt ?? undefined)
  return Buffer.concat([Buffer.from(lines.join('\r\n') + HEAD_END), sent])
}

/** Throws unless every answer among `received` is one that the protocol has; 501 is what is not built yet. */
export function checkAnswers(received: string): void {
  const wrong = /HTTP\/1\.1 5(?!01)\d\d[^]{0,300}/.exec(received)
  if (wrong !== null) throw new Error(`answered with ${wrong[0]}`)
}

export interface UpgradeOf {
  readonly group: string
  readonly time: number
  readonly ns?: string
  readonly authorization: string
}

/** The request that opens a session in `store1`. */
export function upgradeRequest(
  kind: 'backup' | 'reader',
  { group, time, ns, authorization }: UpgradeOf,
): HttpRequest {
  const [type = '', id = ''] = group.split('/')
  const parameters = {
    'backup-id': id,
    'backup-time': time,
    'backup-type': type,
    store: 'store1',
    ...(ns === undefined ? {} : { ns }),
  }
  return {
    call: plainCall('GET', `//api2/json/${kind}`, parameters),
    headers: [
      ['authorization', authorization],
      ['connection', 'upgrade'],
      ['upgrade', `proxmox-backup${kind === 'reader' ? '-reader' : ''}-protocol-v1`],
    ],
  }
}
