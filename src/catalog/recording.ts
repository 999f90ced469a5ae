import type { AuditEvent } from '../model/audit-event.ts'
import type { Database } from './database.ts'
import { eventStatementWhereChanged, resourceStatement } from './events.ts'

/** What the database has to know of a call's record. */
interface ChangeRecord {
  events(answer: undefined): readonly AuditEvent[]
  /** Told when it is in D1. */
  written(): void
}

/**
 * The database, as a call that changes it has it: a change and its record are one transaction, so that neither is there
 * without the other. What a call that found nothing to change leaves to record is for the caller.
 */
export function recordingDatabase(db: Database, record: ChangeRecord): Database {
  const change = async (statements: Parameters<Database['change']>[0]) => {
    const events = record.events(undefined)
    const [first, ...rest] = statements
    const results: readonly object[] = await db.change([
      first,
      eventStatementWhereChanged(db, events),
      // Each statement knows of itself alone whether it has changed something.
      ...rest.flatMap((statement) => [statement, eventStatementWhereChanged(db, events)]),
      resourceStatement(db, events),
    ])
    const [ofStatements, ofRecord] = [0, 1].map((odd) => results.slice(0, -1).filter((_, at) => at % 2 === odd))
    if (ofRecord?.some((result) => (result as D1Result).meta.changes > 0)) record.written()
    return ofStatements
  }
  return Object.assign(Object.create(db) as Database, { change })
}
