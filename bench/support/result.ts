/** What a benchmark says: rows of figures, and ratios with the goal they are held against. */

export interface Row {
  readonly name: string
  readonly figures: Readonly<Record<string, string>>
}

export interface Ratio {
  readonly name: string
  readonly value: number
  /** The least (or with `atMost` the greatest) value we mean to reach; null: only shown. */
  readonly goal: number | null
  readonly atMost?: boolean
}

export interface Result {
  readonly title: string
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
}

/** A result as Markdown: the figures, then the ratios. */
export function formatResult({ title, rows, ratios }: Result): string {
  const lines = [`### ${title}`, '']
  if (rows.length > 0) {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
    lines.push(`| | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---:|').join('')}`)
    for (const { name, figures } of rows) {
      lines.push(`| ${name} | ${columns.map((column) => figures[column] ?? '').join(' | ')} |`)
    }
    lines.push('')
  }
  if (ratios.length > 0) lines.push('| ratio | value | goal | |', '|---|---:|---:|---|')
  for (const { name, value, goal, atMost } of ratios) {
    const reached = goal === null || (atMost ? value <= goal : value >= goal)
    const text = goal === null ? 'shown' : `${atMost ? '<=' : '>='} ${goal}`
    lines.push(`| ${name} | ${value.toFixed(2)} | ${text} | ${reached ? '' : 'missed'} |`)
  }
  return `${lines.join('\n')}\n`
}
