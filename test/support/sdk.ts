import * as sdk from '@aws-sdk/client-kms'
import { NormalizedSchema } from '@smithy/core/schema'

/** What the AWS SDK exports, by name: schemas, commands, enumerations, exceptions. */
export const exported = sdk as unknown as Readonly<Record<string, unknown>>

type OperationSchema = readonly [9, string, name: string, number, input: () => unknown, output: () => unknown]

const schemas = Object.values(exported).filter(
  (value): value is OperationSchema => Array.isArray(value) && value[0] === 9,
)

export const sdkOperationNames: readonly string[] = schemas.map(([, , name]) => name).sort()

export interface SdkMember {
  readonly isRequired: boolean
  readonly kind: SdkKind
  /** Of a structure, or of the structures in a list. */
  readonly members: SdkMembers | null
}
export type SdkMembers = Readonly<Record<string, SdkMember>>
export type SdkKind = 'Blob' | 'Boolean' | 'Integer' | 'List' | 'Map' | 'String' | 'Structure' | 'Timestamp'

export function sdkInput(operation: string): SdkMembers {
  return membersOf(NormalizedSchema.of(schemaOf(operation)[4]() as never))
}

/** Null: the operation answers nothing. */
export function sdkOutput(operation: string): SdkMembers | null {
  const output = NormalizedSchema.of(schemaOf(operation)[5]() as never)
  return output.isStructSchema() && !output.isUnitSchema() ? membersOf(output) : null
}

function schemaOf(operation: string): OperationSchema {
  const schema = schemas.find(([, , name]) => name === operation)
  if (schema === undefined) throw new Error(`The SDK has no ${operation}`)
  return schema
}

function membersOf(structure: NormalizedSchema): SdkMembers {
  const requiredCount = Number((structure.getSchema() as readonly unknown[])[6] ?? 0)
  const rows = [...structure.structIterator()].map(([name, type], at): [string, SdkMember] => {
    const element = type.isListSchema() ? type.getValueSchema() : type
    const members = element.isStructSchema() ? membersOf(element) : null
    return [name, { isRequired: at < requiredCount, kind: kindOf(type), members }]
  })
  return Object.fromEntries(rows)
}

function kindOf(type: NormalizedSchema): SdkKind {
  if (type.isBlobSchema()) return 'Blob'
  if (type.isListSchema()) return 'List'
  if (type.isMapSchema()) return 'Map'
  if (type.isStructSchema()) return 'Structure'
  if (type.isBooleanSchema()) return 'Boolean'
  if (type.isTimestampSchema()) return 'Timestamp'
  return type.isNumericSchema() ? 'Integer' : 'String'
}
