/** Reading answers of a server: its refusals, its envelopes (spec cli 2.6, backup-protocol 3.5). */
import { errors } from './errors.ts'

export type Envelope = Readonly<Record<string, unknown>>

/** Throws the server's own sentence for any status that is no success. */
export function checkStatus(status: number, body: Uint8Array): void {
  if (status >= 200 && status < 300) return
  const said = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')
  const text = said === '' ? `HTTP Error ${status}` : said
  if (status === 404) throw errors.SERVER_NOT_FOUND({ text, status })
  if (status === 401 || status === 403) throw errors.SERVER_DENIED({ text, status })
  throw errors.SERVER_REFUSED({ text, status })
}

/** The whole envelope, `{"data": …}`; an empty body is `data: null`. @throws ANSWER_INVALID */
export function parseAnswer(body: Uint8Array): Envelope {
  if (body.length === 0) return { data: null }
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw errors.ANSWER_INVALID({ reason: 'got result that is not JSON' }, { cause })
  }
  if (typeof value !== 'object' || value === null || !('data' in value)) {
    throw errors.ANSWER_INVALID({ reason: 'got result without data property' })
  }
  return { ...value }
}
