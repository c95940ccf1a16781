/** `status`: how full the datastore is (spec cli 4.12). */
import { errors } from '../../client/errors.ts'
import { storePath } from '../../client/snapshots.ts'
import { command } from '../command.ts'
import { type ClientContext, connect, formatParameters, repositoryParameters } from './common.ts'

const ROWS = ['total', 'used', 'avail'] as const
const PERCENT_WIDTH = 8

export const status = command({
  path: 'status',
  summary: 'Get repository status.',
  parameters: { ...repositoryParameters, ...formatParameters },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    const { data } = await connection.get(storePath(connection, 'status'))
    const { output } = context
    output.result(args['output-format'], data, () => {
      const numbers = ROWS.map((name) => [name, numberOf(data, name)] as const)
      const total = numbers[0]?.[1] ?? 0
      if (total === 0) {
        const reason = 'Cannot render total percentage: denominator is zero'
        throw errors.ANSWER_INVALID({ reason })
      }
      const cells = numbers.map(([name, value]) => [name, sizeCell(value, total)] as const)
      output.properties(cells, { hasHeader: false, alignValue: 'right' })
    })
  },
})

function sizeCell(value: number, total: number): string {
  const percent = `(${Math.round((value * 100) / total)} %)`
  return `${value} ${percent.padStart(PERCENT_WIDTH)}`
}

function numberOf(data: unknown, name: string): number {
  const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, name) : 0
  return typeof value === 'number' ? value : 0
}
