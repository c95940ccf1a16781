/** Diagnostics of the server on standard error, by pino: JSON lines with a level and fields. */
import { pino } from 'pino'
import type { Log } from '../../base/log.ts'
import type { Environment } from '../context.ts'

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent']

/** The log of the program; `CAIRN_LOG` sets the level, `warn` by default. */
export function openLog(environment: Environment): Log {
  const wanted = environment['CAIRN_LOG'] ?? 'warn'
  const level = LEVELS.includes(wanted) ? wanted : 'warn'
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
  return {
    debug(fields, message) {
      if (logger.isLevelEnabled('debug')) logger.debug(fields(), message)
    },
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  }
}
