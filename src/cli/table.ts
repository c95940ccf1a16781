/** Rows to a table of text: borders, header, alignment (spec cli 1.3). Pure. */

export interface TextColumn {
  readonly header: string
  readonly align: 'left' | 'right'
}

export interface TableStyle {
  readonly hasBorder: boolean
  readonly hasHeader: boolean
  /** Box glyphs instead of `+`, `-`, `|`. */
  readonly isUtf8: boolean
  /** Longest line in characters; null where there is no terminal. */
  readonly widthMax: number | null
}

interface Rule {
  readonly left: string
  readonly line: string
  readonly cross: string
  readonly right: string
}

const UTF8_RULES = {
  top: { left: '┌', line: '─', cross: '┬', right: '┐' },
  header: { left: '╞', line: '═', cross: '╪', right: '╡' },
  row: { left: '├', line: '─', cross: '┼', right: '┤' },
  bottom: { left: '└', line: '─', cross: '┴', right: '┘' },
} as const
const ASCII_HEAVY: Rule = { left: '+', line: '=', cross: '+', right: '+' }
const ASCII_RULES = {
  top: ASCII_HEAVY,
  header: ASCII_HEAVY,
  row: { left: '+', line: '-', cross: '+', right: '+' },
  bottom: ASCII_HEAVY,
} as const

/** The lines of the table of `rows` (cells in the order of `columns`; a cell may hold several lines). */
export function renderTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): readonly string[] {
  const hasHeader = style.hasHeader && style.hasBorder
  const widths = columns.map((column, index) =>
    Math.max(
      hasHeader ? textWidth(column.header) : 0,
      ...rows.flatMap((row) => (row[index] ?? '').split('\n').map(textWidth)),
    ),
  )
  const header = hasHeader ? [columns.map((column) => column.header)] : []
  const lines = style.hasBorder
    ? boxed({ columns, widths, header, rows, isUtf8: style.isUtf8 })
    : rows.flatMap((row) => cellLines(columns, widths, row).map((cells) => cells.join(' ')))
  const { widthMax } = style
  return widthMax === null
    ? lines
    : lines.map((line) => Array.from(line).slice(0, widthMax).join(''))
}

interface Box {
  readonly columns: readonly TextColumn[]
  readonly widths: readonly number[]
  readonly header: readonly (readonly string[])[]
  readonly rows: readonly (readonly string[])[]
  readonly isUtf8: boolean
}

function boxed({ columns, widths, header, rows, isUtf8 }: Box): readonly string[] {
  const rules = isUtf8 ? UTF8_RULES : ASCII_RULES
  const bar = isUtf8 ? '│' : '|'
  const rowText = (row: readonly string[]) =>
    cellLines(columns, widths, row).map((cells) => `${bar} ${cells.join(` ${bar} `)} ${bar}`)
  const lines = [ruleText(rules.top, widths)]
  for (const row of header) lines.push(...rowText(row), ruleText(rules.header, widths))
  for (const [index, row] of rows.entries()) {
    if (index > 0) lines.push(ruleText(rules.row, widths))
    lines.push(...rowText(row))
  }
  return [...lines, ruleText(rules.bottom, widths)]
}

function ruleText({ left, line, cross, right }: Rule, widths: readonly number[]): string {
  return `${left}${widths.map((width) => line.repeat(width + 2)).join(cross)}${right}`
}

/** The padded cells of each text line of one row. */
function cellLines(
  columns: readonly TextColumn[],
  widths: readonly number[],
  row: readonly string[],
): readonly (readonly string[])[] {
  const split = columns.map((_, index) => (row[index] ?? '').split('\n'))
  const height = Math.max(...split.map((lines) => lines.length))
  return Array.from({ length: height }, (_, line) =>
    columns.map((column, index) => pad(split[index]?.[line] ?? '', widths[index] ?? 0, column)),
  )
}

function pad(text: string, width: number, { align }: TextColumn): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)))
  return align === 'left' ? `${text}${space}` : `${space}${text}`
}

function textWidth(text: string): number {
  return Array.from(text).length
}
