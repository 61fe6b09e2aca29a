// The two identities: the app's own, and the one that alert rules query the logs with.
param location string
param tags object
param appIdentityName string
param alertsIdentityName string

module appIdentity 'br/public:avm/res/managed-identity/user-assigned-identity:0.6.0' = {
  name: 'app-identity'
  params: {
    name: appIdentityName
    location: location
    tags: tags
    enableTelemetry: false
  }
}

module alertsIdentity 'br/public:avm/res/managed-identity/user-assigned-identity:0.6.0' = {
  name: 'alerts-identity'
  params: {
    name: alertsIdentityName
    location: location
    tags: tags
    enableTelemetry: false
  }
}

output appIdentityId string = appIdentity.outputs.resourceId
output appClientId string = appIdentity.outputs.clientId
output appPrincipalId string = appIdentity.outputs.principalId
output alertsIdentityId string = alertsIdentity.outputs.resourceId
output alertsPrincipalId string = alertsIdentity.outputs.principalId
