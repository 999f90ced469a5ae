import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** The index of keys: rebuilt from the objects, never the other way round. Written by the objects' outboxes alone. */
export const keys = sqliteTable(
  'keys',
  {
    region: text().notNull(),
    keyId: text('key_id').notNull(),
    account: text().notNull(),
    revision: integer().notNull(),
    state: text().notNull(),
    createdAt: integer('created_at').notNull(),
    /** When a sweep has to look at the key; null: never. */
    dueAt: integer('due_at'),
    /** Not null: a tombstone, by which a restored object is known. */
    deletedAt: integer('deleted_at'),
    /** `rolled-back` while the object's revision is behind this row's. */
    fault: text(),
    /** Set to 1 by an operator (docs/restore.md); the object takes it back. */
    isRestoreAccepted: integer('is_restore_accepted', { mode: 'boolean' }).notNull().default(false),
  },
  (row) => [
    primaryKey({ columns: [row.region, row.keyId] }),
    index('keys_listed').on(row.account, row.region, row.keyId).where(sql`deleted_at is null`),
    index('keys_due').on(row.dueAt, row.region, row.keyId).where(sql`due_at is not null`),
    index('keys_faulty').on(row.fault).where(sql`fault is not null`),
  ],
)

/** Aliases live here and nowhere else. */
export const aliases = sqliteTable(
  'aliases',
  {
    account: text().notNull(),
    region: text().notNull(),
    /** With its `alias/`. */
    aliasName: text('alias_name').notNull(),
    targetKeyId: text('target_key_id').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.account, row.region, row.aliasName] }),
    index('aliases_of_key').on(row.region, row.targetKeyId, row.aliasName),
  ],
)

/** By which a root key that is well-formed but not this deployment's is known. */
export const rootKeys = sqliteTable('root_keys', {
  version: integer().primaryKey(),
  checkValue: text('check_value').notNull(),
  /** Wall time in milliseconds since which a higher version seals; null: it may seal. */
  supersededAt: integer('superseded_at'),
  /** Wall time in milliseconds; not null: nothing needs it any more, and its number is not used again. */
  retiredAt: integer('retired_at'),
})

/** Grants that name a retiring principal: a copy for ListRetirableGrants. The key's object has the truth. */
export const retirableGrants = sqliteTable(
  'retirable_grants',
  {
    region: text().notNull(),
    keyId: text('key_id').notNull(),
    grantId: text('grant_id').notNull(),
    /** The account of the key. */
    account: text().notNull(),
    retiringId: text('retiring_id').notNull(),
    /** The grant as JSON. */
    body: text().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.region, row.keyId, row.grantId] }),
    index('retirable_grants_listed').on(row.retiringId, row.region, row.keyId, row.grantId),
  ],
)

/** Names of users, roles, groups and policies are unique in their account whatever their case. */
const name = (column: string) => text(column).notNull()
const entity = {
  /** AIDA…, AROA…, AGPA…, ANPA…: never given to another. */
  id: text().primaryKey(),
  account: text().notNull(),
  /** As it was given. */
  name: name('name'),
  /** In lower case. */
  nameKey: name('name_key'),
  path: text().notNull(),
  /** Wall time in milliseconds, as every time of IAM. */
  createdAt: integer('created_at').notNull(),
}

export const users = sqliteTable('users', { ...entity, boundaryArn: text('boundary_arn') }, (row) => [
  uniqueIndex('users_named').on(row.account, row.nameKey),
])

export const accessKeys = sqliteTable(
  'access_keys',
  {
    accessKeyId: text('access_key_id').primaryKey(),
    userId: text('user_id').notNull(),
    isActive: integer('is_active', { mode: 'boolean' }).notNull(),
    createdAt: integer('created_at').notNull(),
    rootVersion: integer('root_version').notNull(),
    /** The secret access key, sealed (crypto/secret.ts), in base64. */
    sealed: text().notNull(),
    lastUsedAt: integer('last_used_at'),
    lastUsedService: text('last_used_service'),
    lastUsedRegion: text('last_used_region'),
  },
  (row) => [index('access_keys_of_user').on(row.userId)],
)

export const groups = sqliteTable('groups', entity, (row) => [uniqueIndex('groups_named').on(row.account, row.nameKey)])

export const groupMembers = sqliteTable(
  'group_members',
  { groupId: text('group_id').notNull(), userId: text('user_id').notNull() },
  (row) => [
    primaryKey({ columns: [row.groupId, row.userId] }),
    index('group_members_of_user').on(row.userId, row.groupId),
  ],
)

export const roles = sqliteTable(
  'roles',
  {
    ...entity,
    description: text().notNull(),
    maxSessionSeconds: integer('max_session_seconds').notNull(),
    /** The trust policy, as it was given. */
    trustPolicy: text('trust_policy').notNull(),
    /** JSON: the unique id that each principal's ARN in it stood for when it was written. */
    trustPrincipalIds: text('trust_principal_ids').notNull(),
    boundaryArn: text('boundary_arn'),
    lastUsedAt: integer('last_used_at'),
    lastUsedRegion: text('last_used_region'),
  },
  (row) => [uniqueIndex('roles_named').on(row.account, row.nameKey)],
)

/** Of a user, a group or a role. */
export const inlinePolicies = sqliteTable(
  'inline_policies',
  { ownerId: text('owner_id').notNull(), name: name('name'), document: text().notNull() },
  (row) => [primaryKey({ columns: [row.ownerId, row.name] })],
)

export const managedPolicies = sqliteTable(
  'managed_policies',
  {
    ...entity,
    arn: text().notNull(),
    description: text().notNull(),
    defaultVersion: integer('default_version').notNull(),
    /** The number of the last version that was ever made. */
    lastVersion: integer('last_version').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (row) => [
    uniqueIndex('managed_policies_named').on(row.account, row.nameKey),
    uniqueIndex('managed_policies_arn').on(row.arn),
  ],
)

export const policyVersions = sqliteTable(
  'policy_versions',
  {
    policyId: text('policy_id').notNull(),
    version: integer().notNull(),
    document: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (row) => [primaryKey({ columns: [row.policyId, row.version] })],
)

/** A managed policy on a user, a group or a role. By ARN, as some are AWS's own and compiled in. */
export const attachments = sqliteTable(
  'attachments',
  { ownerId: text('owner_id').notNull(), policyArn: text('policy_arn').notNull() },
  (row) => [
    primaryKey({ columns: [row.ownerId, row.policyArn] }),
    index('attachments_of_policy').on(row.policyArn, row.ownerId),
  ],
)

/** Of a user, a role, a managed policy (by unique id) or a provider (by ARN). */
export const iamTags = sqliteTable(
  'iam_tags',
  { ownerId: text('owner_id').notNull(), tagKey: text('tag_key').notNull(), tagValue: text('tag_value').notNull() },
  (row) => [primaryKey({ columns: [row.ownerId, row.tagKey] })],
)

export const oidcProviders = sqliteTable('oidc_providers', {
  arn: text().primaryKey(),
  account: text().notNull(),
  /** Without its `https://`. */
  url: text().notNull(),
  /** JSON: a list of strings, as is the next. */
  clientIds: text('client_ids').notNull(),
  thumbprints: text().notNull(),
  createdAt: integer('created_at').notNull(),
})

/** Changes, of the last 90 days, as LookupEvents sees them. */
export const events = sqliteTable(
  'events',
  {
    /** Ascends with arrival: the place of the archive's cursor. */
    sequence: integer().primaryKey({ autoIncrement: true }),
    eventId: text('event_id').notNull(),
    /** Whose trail it is in. */
    account: text().notNull(),
    region: text().notNull(),
    /** Lifecycle seconds. */
    time: integer().notNull(),
    source: text().notNull(),
    name: text().notNull(),
    isReadOnly: integer('is_read_only', { mode: 'boolean' }).notNull(),
    userName: text('user_name'),
    accessKeyId: text('access_key_id'),
    /** The whole record: JSON. */
    body: text().notNull(),
    /** True for what is archived from here. False is no longer written: what comes by the queue is in `event_batches`. */
    isChange: integer('is_change', { mode: 'boolean' }).notNull(),
  },
  (row) => [
    uniqueIndex('events_by_id').on(row.eventId),
    index('events_by_time').on(row.account, row.region, row.time, row.sequence),
    index('events_by_name').on(row.account, row.region, row.name, row.time, row.sequence),
    index('events_by_user').on(row.account, row.region, row.userName, row.time, row.sequence),
    index('events_by_access_key').on(row.account, row.region, row.accessKeyId, row.time, row.sequence),
    index('events_by_source').on(row.account, row.region, row.source, row.time, row.sequence),
    index('events_by_read_only').on(row.account, row.region, row.isReadOnly, row.time, row.sequence),
    index('events_kept').on(row.isChange, row.sequence),
  ],
)

export const eventResources = sqliteTable(
  'event_resources',
  {
    account: text().notNull(),
    region: text().notNull(),
    /** An ARN. */
    resourceName: text('resource_name').notNull(),
    resourceType: text('resource_type').notNull(),
    time: integer().notNull(),
    sequence: integer().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.sequence, row.resourceName] }),
    index('event_resources_by_name').on(row.account, row.region, row.resourceName, row.time, row.sequence),
    index('event_resources_by_type').on(row.account, row.region, row.resourceType, row.time, row.sequence),
  ],
)

/** What came by the audit queue, up to AUDIT_ROWS_MAX events: a row for each message (src/audit/batch.ts). */
export const eventBatches = sqliteTable('event_batches', {
  /** Ascends with arrival. */
  id: integer().primaryKey({ autoIncrement: true }),
  /** SHA-256 of the body, in hex: a message that comes again is the same. */
  digest: text().notNull().unique(),
  /** Of events. */
  count: integer().notNull(),
  /** Of events in the batches up to this one, so that nothing has to be counted. */
  total: integer().notNull(),
  body: text().notNull(),
})

/** By which attributes of LookupEvents the batches are found. EventId: what ids of a batch begin with. None: '' of ''. */
export const eventBatchIndex = sqliteTable(
  'event_batch_index',
  {
    batchId: integer('batch_id').notNull(),
    account: text().notNull(),
    region: text().notNull(),
    attribute: text().notNull(),
    value: text().notNull(),
    /** Lifecycle seconds, of all of the batch. */
    newest: integer().notNull(),
    oldest: integer().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.batchId, row.attribute, row.value] }),
    index('event_batches_by').on(
      row.account,
      row.region,
      row.attribute,
      row.value,
      row.newest,
      row.batchId,
      row.oldest,
    ),
  ],
)

/** The last use of each key in cryptography, for GetKeyLastUsage. */
export const keyUsage = sqliteTable(
  'key_usage',
  {
    region: text().notNull(),
    keyId: text('key_id').notNull(),
    operation: text().notNull(),
    /** Lifecycle seconds. */
    usedAt: integer('used_at').notNull(),
    eventId: text('event_id').notNull(),
    requestId: text('request_id').notNull(),
  },
  (row) => [primaryKey({ columns: [row.region, row.keyId] })],
)

/** How far a job that walks through something has come. */
export const cursors = sqliteTable('cursors', { name: text().primaryKey(), place: text().notNull() })

/** Queue messages that could not be dealt with: bounded, shown in health, and replayed by an operator. */
export const deadLetters = sqliteTable('dead_letters', {
  /** The queue's own id of the message: a repeated delivery is the same letter. */
  messageId: text('message_id').primaryKey(),
  queue: text().notNull(),
  /** Wall time in milliseconds. */
  receivedAt: integer('received_at').notNull(),
  body: text().notNull(),
  reason: text().notNull(),
})
