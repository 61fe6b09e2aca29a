// The virtual network of the private profiles: one subnet for what the app sends, one for endpoints,
// and a gateway with an address of its own that leads to Fabric, Entra ID and Azure Monitor.
param location string
param tags object
param name string
param gatewayName string
param addressName string

module address 'br/public:avm/res/network/public-ip-address:0.13.0' = {
  name: 'outbound-address'
  params: {
    name: addressName
    location: location
    tags: tags
    skuName: 'Standard'
    publicIPAddressVersion: 'IPv4'
    publicIPAllocationMethod: 'Static'
    // the module's own default names zones, which not every region has
    availabilityZones: []
    enableTelemetry: false
  }
}

module gateway 'br/public:avm/res/network/nat-gateway:2.1.1' = {
  name: 'nat-gateway'
  params: {
    name: gatewayName
    location: location
    tags: tags
    natGatewaySku: 'Standard'
    availabilityZone: -1
    publicIpResourceIds: [
      address.outputs.resourceId
    ]
    enableTelemetry: false
  }
}

module network 'br/public:avm/res/network/virtual-network:0.10.2' = {
  name: 'virtual-network'
  params: {
    name: name
    location: location
    tags: tags
    addressPrefixes: [
      '10.20.0.0/24'
    ]
    subnets: [
      {
        name: 'app'
        // Flex Consumption delegates to this type and needs a /27 at least; a /26 leaves room to grow
        addressPrefix: '10.20.0.0/26'
        delegation: 'Microsoft.App/environments'
        natGatewayResourceId: gateway.outputs.resourceId
        // the gateway is the only way out, whatever the module's API version gives a new subnet
        defaultOutboundAccess: false
      }
      {
        name: 'endpoints'
        addressPrefix: '10.20.0.64/27'
        privateEndpointNetworkPolicies: 'Disabled'
        defaultOutboundAccess: false
      }
    ]
    enableTelemetry: false
  }
}

output id string = network.outputs.resourceId
output appSubnetId string = '${network.outputs.resourceId}/subnets/app'
output outboundAddress string = address.outputs.ipAddress
output endpointSubnetId string = '${network.outputs.resourceId}/subnets/endpoints'
