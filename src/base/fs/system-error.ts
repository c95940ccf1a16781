/** Errors in the shape of Node's own system errors, for calls that Node does not make itself. */
import { constants } from 'node:os'

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** Several names share one number on Linux; these are the ones Node reports. */
const PREFERRED = ['EAGAIN', 'EOPNOTSUPP', 'ENOTSUP', 'EDEADLK']
for (const name of PREFERRED) {
  const number = (constants.errno as Record<string, number>)[name]
  if (number !== undefined) NAMES.set(number, name)
}

/** An error with `code`, `syscall` and `path`, as Node makes them. */
export function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const place = path === undefined ? '' : ` '${path}'`
  const error: NodeJS.ErrnoException = new Error(`${code}: ${syscall}${place}`)
  error.code = code
  error.syscall = syscall
  if (path !== undefined) error.path = path
  const number = (constants.errno as Record<string, number>)[code]
  if (number !== undefined) error.errno = -number
  return error
}

/** Name of an errno number; `UNKNOWN` with the number if this machine has none. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `UNKNOWN_${number}`
}
