import { index, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { sealed } from 'edge-kms/drizzle'

/** As migrations/0000_cards.sql makes it. */
export const cards = sqliteTable(
  'cards',
  {
    id: text('id').primaryKey(),
    owner: text('owner').notNull(),
    number: sealed<string>('number').notNull(),
    /** Equal for equal numbers, and no way back without the key. */
    numberIndex: text('number_index').notNull(),
  },
  (card) => [index('cards_by_number').on(card.numberIndex)],
)
