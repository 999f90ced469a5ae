/** A policy document, as an object or as its text. */
export type Document = object | string

/** What a local server starts with, by KMS's and IAM's own names: the same keys, users and roles in every run. */
export interface Seed {
  readonly Keys?: readonly SeedKey[]
  readonly Users?: readonly SeedUser[]
  readonly Roles?: readonly SeedRole[]
}

export interface SeedKey {
  /** A UUID, or `mrk-` and 32 hex digits for a multi-Region key. */
  readonly KeyId: string
  /** `us-east-1` where it is left out. */
  readonly Region?: string
  /** Each `alias/…`. */
  readonly Aliases?: readonly string[]
  /** `SYMMETRIC_DEFAULT` where it is left out. */
  readonly KeySpec?: string
  readonly KeyUsage?: string
  readonly Description?: string
  readonly Policy?: Document
  readonly Tags?: Readonly<Record<string, string>>
  /** Base64: 32 bytes for SYMMETRIC_DEFAULT, else as ImportKeyMaterial takes it, up to 190 bytes. Such a key has Origin EXTERNAL. */
  readonly Material?: string
}

export interface SeedUser {
  readonly UserName: string
  /** AKIA and 16 of A-Z and 2-7, with a SecretAccessKey; left out: the user has no access key. */
  readonly AccessKeyId?: string
  readonly SecretAccessKey?: string
  /** Inline policies by their names. */
  readonly Policies?: Readonly<Record<string, Document>>
}

export interface SeedRole {
  readonly RoleName: string
  readonly AssumeRolePolicyDocument: Document
  /** Inline policies by their names. */
  readonly Policies?: Readonly<Record<string, Document>>
}

const members = {
  Keys: ['KeyId', 'Region', 'Aliases', 'KeySpec', 'KeyUsage', 'Description', 'Policy', 'Tags', 'Material'],
  Users: ['UserName', 'AccessKeyId', 'SecretAccessKey', 'Policies'],
  Roles: ['RoleName', 'AssumeRolePolicyDocument', 'Policies'],
} as const

/** What is wrong with the names in it, in a sentence; null: nothing. What is wrong with a value is said by whoever takes it. */
export function seedFault(seed: unknown): string | null {
  if (!isObject(seed)) return 'A seed is an object with Keys, Users and Roles.'
  for (const [kind, entries] of Object.entries(seed)) {
    const known: readonly string[] | undefined = Object.hasOwn(members, kind)
      ? members[kind as keyof typeof members]
      : undefined
    if (known === undefined) return `A seed has Keys, Users and Roles, and no ${kind}.`
    if (!Array.isArray(entries)) return `${kind} is a list.`
    for (const entry of entries) {
      if (!isObject(entry)) return `${kind} is a list of objects.`
      const unknown = Object.keys(entry).find((member) => !known.includes(member))
      if (unknown !== undefined) return `An entry of ${kind} has ${known.join(', ')}, and no ${unknown}.`
      if (typeof entry[known[0] as string] !== 'string') return `An entry of ${kind} has no ${known[0]}.`
    }
  }
  return null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
