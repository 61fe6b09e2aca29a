// The app's storage: its state and its ledger (tables), its messages (queues), profiles, evidence
// and exports of the audit (containers), and the deployed package. No shared keys.
param location string
param tags object
param name string
param sku string
param publicAccess bool
param packageContainer string
@description('How long deleted blobs and containers can be brought back, days.')
param softDeleteDays int
@description('How long evidence and exports of the audit cannot be changed or deleted, days; 0: no policy is written.')
param immutabilityDays int
@description('Whether the account, and the ledger with it, is under a lock against deletion.')
param deleteLock bool

var names = loadJsonContent('../storage-names.json')
// Unlocked: it can be lengthened and, until somebody locks it for good, taken away (docs/deploy.md).
var immutabilityPolicy = {
  immutabilityPeriodSinceCreationInDays: immutabilityDays
  allowProtectedAppendWrites: false
}
var open = [
  packageContainer
  names.containers.profiles
]
var kept = [
  names.containers.evidence
  names.containers.auditExport
]
var openContainers = map(open, container => {
  name: container
  publicAccess: 'None'
})
var keptContainers = map(kept, container => {
  name: container
  publicAccess: 'None'
  immutabilityPolicy: immutabilityDays > 0 ? immutabilityPolicy : null
})

module account 'br/public:avm/res/storage/storage-account:0.33.0' = {
  name: 'storage-account'
  params: {
    name: name
    location: location
    tags: tags
    kind: 'StorageV2'
    skuName: sku
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    // can be chosen once, when the account is made
    requireInfrastructureEncryption: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // the lifecycle's own requests come as a trusted service
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
    blobServices: {
      containerDeleteRetentionPolicyEnabled: true
      containerDeleteRetentionPolicyDays: softDeleteDays
      deleteRetentionPolicyEnabled: true
      deleteRetentionPolicyDays: softDeleteDays
      containers: concat(openContainers, keptContainers)
    }
    managementPolicyRules: [
      {
        name: 'evidence-and-exports-cool-down'
        enabled: true
        type: 'Lifecycle'
        definition: {
          filters: {
            blobTypes: [
              'blockBlob'
            ]
            prefixMatch: [
              '${names.containers.evidence}/'
              '${names.containers.auditExport}/'
            ]
          }
          actions: {
            baseBlob: {
              // never to Archive: the audit's check reads evidence every day
              tierToCool: {
                daysAfterModificationGreaterThan: 30
              }
              tierToCold: {
                daysAfterModificationGreaterThan: 180
              }
            }
          }
        }
      }
    ]
    queueServices: {
      queues: map(names.queues, queue => {
        name: queue
      })
    }
    tableServices: {
      tables: map(names.tables, table => {
        name: table
      })
    }
    lock: deleteLock ? {
      name: 'keep-the-audit'
      kind: 'CanNotDelete'
      notes: 'Holds the ledger of every model decision. Export it before this lock is taken away.'
    } : null
    enableTelemetry: false
  }
}

output id string = account.outputs.resourceId
output name string = account.outputs.name
