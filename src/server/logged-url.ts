/** URLs as logs may have them: parameters of PUT lie in the query, passwords among them. */

const SECRET_NAMES: readonly string[] = [
  'password',
  'confirmation-password',
  'tfa-challenge',
  'secret-key',
]
const REDACTED = '[redacted]'

/** `url` with the values of secret parameters taken out. */
export function loggedUrl(url: string): string {
  const mark = url.indexOf('?')
  if (mark < 0) return url
  const pairs = url.slice(mark + 1).split('&')
  return `${url.slice(0, mark)}?${pairs.map(loggedPair).join('&')}`
}

function loggedPair(pair: string): string {
  const equals = pair.indexOf('=')
  if (equals < 0) return pair
  const name = pair.slice(0, equals)
  return SECRET_NAMES.includes(decoded(name)) ? `${name}=${REDACTED}` : pair
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
