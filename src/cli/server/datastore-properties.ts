/** The options of a datastore that can be set at creation and later. Source: spec cli 9.3. */
import { choice, flag, optional, text } from '../command.ts'
import { COMMENT_RULES } from './administration.ts'

export const datastoreProperties = {
  comment: optional(text('Comment.', COMMENT_RULES)),
  'gc-schedule': optional(text('When garbage is collected.')),
  'verify-new': flag('Verify each snapshot right after its backup.'),
  'notify-user': optional(text('Who is notified.')),
  notify: optional(text('What is notified: gc=,verify=,sync=,prune=.')),
  'notification-mode': optional(
    choice('How it is notified.', ['legacy-sendmail', 'notification-system']),
  ),
  'notification-thresholds': optional(
    text('Request counts and bytes that are worth a warning: s3-put=,s3-upload=, … (S3 only).'),
  ),
  'counter-reset-schedule': optional(text('When request counters begin anew (S3 only).')),
  tuning: optional(text('Property string of tuning options.')),
  'maintenance-mode': optional(text('read-only or offline, and a message.')),
}

type Given = Readonly<Record<keyof typeof datastoreProperties, unknown>>

/** What of them was given, as it is stored. */
export function storedProperties(values: Given): ReadonlyMap<string, string> {
  const names = Object.keys(datastoreProperties) as (keyof Given)[]
  const given = names.filter((key) => values[key] !== undefined)
  return new Map(given.map((key) => [key, String(values[key])]))
}
