// The vault: secrets that the app reads through Key Vault references in its settings.
param location string
param tags object
@maxLength(24)
param name string
param publicAccess bool
param softDeleteDays int
param purgeProtection bool
param teamsSecretName string
@secure()
param teamsWebhookUrl string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: softDeleteDays
    // once on it cannot be turned off, and false is refused: absent where it is not wanted
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

resource teams 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(teamsWebhookUrl)) {
  parent: vault
  name: teamsSecretName
  properties: {
    value: teamsWebhookUrl
    contentType: 'URL of a Teams workflow'
  }
}

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
