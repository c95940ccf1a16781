/** One call of a session as data, and what may be wrong with it. */
import type { SeededRandom } from '../../../bench/support/random.ts'
import { mutate, pick } from '../mutate.ts'

export interface Call {
  readonly method: string
  readonly path: string
  readonly parameters: readonly (readonly [name: string, value: string])[]
  readonly contentType: string
  readonly body: Uint8Array | null
  /** The body stops here and the stream is given up. */
  readonly cutAt: number | null
}

/** A call and what its success means to the client. */
export interface NextCall {
  readonly call: Call
  readonly done: (data: unknown) => void
}

const FORM = 'application/x-www-form-urlencoded'
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'x']
const TYPES = [
  'application/json',
  FORM,
  'application/json; charset=x',
  'text/plain',
  '',
  ';',
  'a/b',
]
const NAMES = [
  'archive-name',
  'file-name',
  'wid',
  'digest',
  'size',
  'csum',
  '_dc',
  '__proto__',
  'x',
]
const VALUES = [
  '',
  '0',
  '-1',
  '1',
  '257',
  '4294967296',
  '9007199254740993',
  '9223372036854775807',
  '18446744073709551616',
  '1.5',
  'true',
  'null',
  '..',
  '../../x.blob',
  '.lock',
  'index.json.blob',
  'client.log.blob',
  'catalog.pcat1.didx',
  'a.fidx',
  'a.didx',
  '\0.blob',
  'x\n.blob',
  `${'a'.repeat(300)}.didx`,
  'é.fidx',
  '0'.repeat(64),
  'f'.repeat(63),
]

/** A call that the page has. */
export function plainCall(
  method: string,
  path: string,
  parameters: Readonly<Record<string, string | number>> = {},
  body: Uint8Array | null = null,
): Call {
  const pairs = Object.entries(parameters).map(([name, value]) => [name, String(value)] as const)
  return { method, path, parameters: pairs, contentType: FORM, body, cutAt: null }
}

/** A call with its parameters in a JSON body. */
export function jsonCall(method: string, path: string, value: unknown): Call {
  const body = new TextEncoder().encode(JSON.stringify(value))
  return { ...plainCall(method, path, {}, body), contentType: 'application/json' }
}

/** Path and query as they go on the wire. */
export function urlOf({ path, parameters }: Call): string {
  const query = new URLSearchParams(parameters.map(([name, value]) => [name, value])).toString()
  return query === '' ? path : `${path}?${query}`
}

/** `call` with one thing wrong; `damaged` is there to be its body. */
export function mutateCall(call: Call, damaged: Uint8Array, random: SeededRandom): Call {
  const { parameters } = call
  const at = random.below(parameters.length + 1)
  switch (random.below(12)) {
    case 0:
      return { ...call, method: pick(METHODS, random) }
    case 1:
      return { ...call, path: mutatePath(call.path, random) }
    case 2:
      return { ...call, parameters: parameters.toSpliced(at, 1) }
    case 3:
      return { ...call, parameters: [...parameters, ...parameters.slice(at, at + 1)] }
    case 4:
      return { ...call, parameters: [...parameters, [pick(NAMES, random), pick(VALUES, random)]] }
    case 5:
      return { ...call, contentType: pick(TYPES, random) }
    case 6:
      return { ...call, body: damaged }
    case 7:
      return { ...call, body: null }
    case 8:
      return { ...call, cutAt: random.below((call.body?.length ?? 0) + 1) }
    default:
      return { ...call, parameters: replaceValue(parameters, at, random) }
  }
}

function replaceValue(
  parameters: Call['parameters'],
  at: number,
  random: SeededRandom,
): Call['parameters'] {
  const pair = parameters[at]
  if (pair === undefined) return parameters
  return parameters.with(at, [pair[0], pick(VALUES, random)])
}

/** In characters that a header may have; all others are for the fuzzing of frames. */
function mutatePath(path: string, random: SeededRandom): string {
  const damaged = Buffer.from(mutate([Buffer.from(path)], random).subarray(0, 4000))
  return `/${damaged.toString('latin1').replaceAll(/[^!-~]/g, (byte) => encodeURIComponent(byte))}`
}
