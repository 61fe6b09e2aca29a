// The two identities: the app's own, and the one that alert rules query the logs with.
param location string
param tags object
param appIdentityName string
param alertsIdentityName string

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: appIdentityName
  location: location
  tags: tags
}

resource alertsIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: alertsIdentityName
  location: location
  tags: tags
}

output appIdentityId string = appIdentity.id
output appClientId string = appIdentity.properties.clientId
output appPrincipalId string = appIdentity.properties.principalId
output alertsIdentityId string = alertsIdentity.id
output alertsPrincipalId string = alertsIdentity.properties.principalId
