/** Query strings as the stock client writes them: keys in alphabetical order, form-url-encoded. */

export type QueryValue = string | number | boolean
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[] | undefined>>

/** `?a=1&b=2`, or nothing for an empty query; a list repeats its key, undefined is left out. */
export function formatQuery(query: Query | undefined): string {
  const pairs = new URLSearchParams()
  for (const key of Object.keys(query ?? {}).toSorted()) {
    const value = query?.[key]
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value : [value]) pairs.append(key, String(item))
  }
  return pairs.size === 0 ? '' : `?${pairs.toString()}`
}
