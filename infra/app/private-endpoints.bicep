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

module zones 'br/public:avm/res/network/private-dns-zone:0.8.1' = [
  for target in targets: {
    name: 'zone-${target.group}'
    params: {
      name: target.zone
      location: 'global'
      tags: tags
      virtualNetworkLinks: [
        {
          name: 'retrain-loop'
          registrationEnabled: false
          virtualNetworkResourceId: networkId
        }
      ]
      enableTelemetry: false
    }
  }
]

module endpoints 'br/public:avm/res/network/private-endpoint:0.12.1' = [
  for (target, place) in targets: {
    name: 'endpoint-${target.group}'
    params: {
      name: '${prefix}${target.group}'
      location: location
      tags: tags
      subnetResourceId: subnetId
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
      privateDnsZoneGroup: {
        name: 'default'
        privateDnsZoneGroupConfigs: [
          {
            name: target.group
            privateDnsZoneResourceId: zones[place].outputs.resourceId
          }
        ]
      }
      enableTelemetry: false
    }
  }
]
