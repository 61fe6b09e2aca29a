// The virtual network of the private profiles: one subnet for what the app sends, one for endpoints,
// and a gateway with an address of its own that leads to Fabric, Entra ID and Azure Monitor.
param location string
param tags object
param name string
param gatewayName string
param addressName string

resource address 'Microsoft.Network/publicIPAddresses@2026-03-01' = {
  name: addressName
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAddressVersion: 'IPv4'
    publicIPAllocationMethod: 'Static'
  }
}

// Since API version 2025-07-01 a new subnet has no way out unless one is named.
resource gateway 'Microsoft.Network/natGateways@2026-03-01' = {
  name: gatewayName
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2026-03-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.20.0.0/24'
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          // Flex Consumption delegates to this type and needs a /27 at least; a /26 leaves room to grow
          addressPrefix: '10.20.0.0/26'
          natGateway: {
            id: gateway.id
          }
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.20.0.64/27'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

output id string = network.id
output appSubnetId string = '${network.id}/subnets/app'
output outboundAddress string = address.properties.ipAddress
output endpointSubnetId string = '${network.id}/subnets/endpoints'
