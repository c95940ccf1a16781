/** Optional members as the domain wants them: absent, not undefined. */

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

/** `value` without the members that are undefined. */
export function withoutUndefined<T extends object>(value: T): Partial<Present<T>> {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries) as Partial<Present<T>>
}

/** Comments are stored trimmed (rest-api §1.4). */
export function trimmed(comment: string | undefined): string | undefined {
  return comment?.trim()
}
