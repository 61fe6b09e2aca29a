// Private endpoints of storage and vault, and the DNS zones that lead the app to them.
param location string
param tags object
param prefix string
param networkId string
param subnetId string
param storageAccountId string
param vaultId string

var targets = [
  {
    group: 'blob'
    id: storageAccountId
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    group: 'queue'
    id: storageAccountId
    zone: 'privatelink.queue.${environment().suffixes.storage}'
  }
  {
    group: 'table'
    id: storageAccountId
    zone: 'privatelink.table.${environment().suffixes.storage}'
  }
  {
    group: 'vault'
    id: vaultId
    zone: 'privatelink.vaultcore.azure.net'
  }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for target in targets: {
    name: target.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (target, place) in targets: {
    parent: zones[place]
    name: 'retrain-loop'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2026-03-01' = [
  for target in targets: {
    name: '${prefix}${target.group}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: target.group
          properties: {
            privateLinkServiceId: target.id
            groupIds: [
              target.group
            ]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2026-03-01' = [
  for (target, place) in targets: {
    parent: endpoints[place]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: target.group
          properties: {
            privateDnsZoneId: zones[place].id
          }
        }
      ]
    }
  }
]
