/** The ticket among a request's cookies. Source: rest-api.md 2.1. */

export const AUTH_COOKIE = 'PBSAuthCookie'
/** Wins over the unprefixed one. */
export const HOST_AUTH_COOKIE = '__Host-PBSAuthCookie'

/** The decoded value of the authentication cookie, or null. `headers` are the `Cookie` headers, one by one. */
export function authCookie(headers: readonly string[]): string | null {
  return cookieOf(headers, HOST_AUTH_COOKIE) ?? cookieOf(headers, AUTH_COOKIE)
}

/** The decoded value of the first cookie `name`, or null. */
export function cookieOf(headers: readonly string[], name: string): string | null {
  for (const header of headers) {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=')
      // Stock's search in a header ends at the first thing that is no pair.
      if (equals < 0) break
      if (pair.slice(0, equals).trim() === name) return decode(pair.slice(equals + 1).trim())
    }
  }
  return null
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
