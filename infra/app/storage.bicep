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
var kept = [
  names.containers.evidence
  names.containers.auditExport
]
var frozen = immutabilityDays > 0 ? kept : []
var open = [
  packageContainer
  names.containers.profiles
]

resource account 'Microsoft.Storage/storageAccounts@2026-09-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // the lifecycle's own requests come as a trusted service
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-09-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource openContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-09-01' = [
  for container in open: {
    parent: blobs
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource keptContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-09-01' = [
  for container in kept: {
    parent: blobs
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

// Unlocked: it can be lengthened and, until somebody locks it for good, taken away (docs/deploy.md).
resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2026-09-01' = [
  for (container, place) in frozen: {
    parent: keptContainers[place]
    name: 'default'
    properties: {
      immutabilityPeriodSinceCreationInDays: immutabilityDays
      allowProtectedAppendWrites: false
    }
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2026-09-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
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
    }
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2026-09-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-09-01' = [
  for queue in names.queues: {
    parent: queueService
    name: queue
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2026-09-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2026-09-01' = [
  for table in names.tables: {
    parent: tableService
    name: table
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  scope: account
  name: 'keep-the-audit'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the ledger of every model decision. Export it before this lock is taken away.'
  }
}

output id string = account.id
output name string = account.name
