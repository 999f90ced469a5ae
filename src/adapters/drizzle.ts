import { getTableColumns, getTableName, type InferInsertModel } from 'drizzle-orm'
import { customType, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { type Envelope, EnvelopeError } from '../envelope/index.ts'
import { concat, fromUtf8, utf8 } from '../model/bytes.ts'
import { openAt, sealAt } from './binding.ts'

export { blindIndex, type MacKms } from './blind-index.ts'

declare const opens: unique symbol

/** A cell that only `seal` makes: a plain value in its place does not compile. */
export type Sealed<Value> = Uint8Array & { readonly [opens]: Value }

/** Strings and bytes as they are; anything else as JSON. */
export type Sealable = string | Uint8Array | number | boolean | object

/** A column of sealed cells, a BLOB in SQLite. */
export function sealed<Value extends Sealable>(name?: string) {
  const column = customType<{ data: Sealed<Value>; driverData: Uint8Array | ArrayBuffer | number[] }>({
    dataType: () => 'blob',
    // D1 answers arrays of numbers, other drivers bytes.
    fromDriver: (stored) => new Uint8Array(stored) as Uint8Array as Sealed<Value>,
    toDriver: (cell) => cell,
  })
  return column(name ?? '')
}

type Opened<Cell> = Cell extends Sealed<infer Value> ? Value : Cell
type OpenedRow<Row> = { [Column in keyof Row]: Opened<Row[Column]> }

type SealedCell<Cell> = Cell extends null | undefined ? Cell : Sealed<Cell>
type SealedRow<Row, Columns> = { [Column in keyof Row]: Column extends Columns ? SealedCell<Row[Column]> : Row[Column] }

interface TableOptions<Table extends SQLiteTable, Columns> {
  /** With a cache: one data key serves many rows. */
  readonly envelope: Envelope
  /** Those of type `sealed`. */
  readonly columns: readonly Columns[]
  /** What a cell is bound to besides its table and column: the primary key, say. It is known before the row is sealed. */
  readonly bind: readonly (keyof InferInsertModel<Table> & string)[]
  /** Besides the table, which is always in it. Rows of one context share data keys. */
  readonly encryptionContext?: Record<string, string>
}

/** Rejects with `EnvelopeError`: `TamperedMessage` for a cell of another row, column or table. */
export interface EncryptedTable<Table extends SQLiteTable, Columns extends string> {
  /** Rows for `insert`, or parts of them for `update`, with the columns of `bind` in each. Null stays null. */
  seal<Row extends Partial<OpenedRow<InferInsertModel<Table>>>>(
    rows: readonly Row[],
  ): Promise<SealedRow<Row, Columns>[]>
  /** Rows as they were selected, with the columns of `bind` in each. */
  open<Row extends object>(rows: readonly Row[]): Promise<OpenedRow<Row>[]>
}

export function encryptedTable<Table extends SQLiteTable, Columns extends keyof InferInsertModel<Table> & string>(
  table: Table,
  { envelope, columns, bind, encryptionContext }: TableOptions<Table, Columns>,
): EncryptedTable<Table, Columns> {
  const name = getTableName(table)
  const context = { ...encryptionContext, 'edge-kms:table': name }
  const stored: Record<string, { name: string }> = getTableColumns(table)
  const nameOf = (column: string) => stored[column]?.name ?? column
  const changed = async (rows: readonly object[], change: (place: string[], cell: unknown) => Promise<unknown>) =>
    Promise.all(
      rows.map(async (row) => {
        const cells: Record<string, unknown> = { ...row }
        const bound = bind.flatMap((column) => [nameOf(column), boundValue(column, cells[column])])
        for (const column of columns) {
          const cell = cells[column]
          if (cell === null || cell === undefined) continue
          cells[column] = await change(['table', name, nameOf(column), ...bound], cell)
        }
        return cells
      }),
    )
  return {
    async seal<Row>(rows: readonly Row[]) {
      const sealing = (place: string[], cell: unknown) => sealAt(envelope, place, encodeCell(cell), context)
      return (await changed(rows as readonly object[], sealing)) as SealedRow<Row, Columns>[]
    },
    async open<Row>(rows: readonly Row[]) {
      const opening = async (place: string[], cell: unknown) =>
        decodeCell(await openAt(envelope, place, cell as Uint8Array, context))
      return (await changed(rows as readonly object[], opening)) as OpenedRow<Row>[]
    },
  }
}

/** With its kind, since 1 and '1' are different rows. */
function boundValue(column: string, value: unknown): string {
  if (value instanceof Date) return `date ${value.toISOString()}`
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return `${typeof value} ${value}`
  throw new EnvelopeError(
    'InvalidInput',
    `The column ${column}, which the cells are bound to, has no value. Select it too, or give it one before sealing: the ` +
      'database cannot.',
  )
}

const kinds = { bytes: 0, text: 1, json: 2 }

/** The kind of the value in a byte, and the value. */
function encodeCell(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return concat([new Uint8Array([kinds.bytes]), value])
  const [kind, text] = typeof value === 'string' ? [kinds.text, value] : [kinds.json, JSON.stringify(value)]
  return concat([new Uint8Array([kind]), utf8(text)])
}

function decodeCell(encoded: Uint8Array): unknown {
  const value = encoded.slice(1)
  if (encoded[0] === kinds.bytes) return value
  const text = fromUtf8(value) ?? ''
  return encoded[0] === kinds.text ? text : JSON.parse(text)
}
