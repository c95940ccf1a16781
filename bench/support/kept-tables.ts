/** docs/performance.md after its mark: one part for each benchmark, replaced when that benchmark runs again. */

const MARK = '<!-- below: written by npm run bench -- --write -->'

/**
 * The page with `part` as that of the benchmark `name`; the parts of the other `names` keep what they had and stand in
 * that order. Throws if the page has lost its mark.
 */
export function replacePart(
  page: string,
  names: readonly string[],
  { name, part }: { readonly name: string; readonly part: string },
): string {
  const [head, kept] = page.split(MARK)
  if (kept === undefined) throw new Error(`the page has no line '${MARK}'`)
  const parts = names.flatMap((other) => {
    const text = other === name ? part : partOf(kept, other)
    return text === null ? [] : [`${markOf(other)}\n\n${text.trim()}\n`]
  })
  return `${head}${MARK}\n\n${parts.join('\n')}`
}

function partOf(kept: string, name: string): string | null {
  const [, after] = kept.split(markOf(name))
  return after?.split('<!-- bench: ')[0] ?? null
}

function markOf(name: string): string {
  return `<!-- bench: ${name} -->`
}
