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

module vault 'br/public:avm/res/key-vault/vault:0.14.2' = {
  name: 'key-vault'
  params: {
    name: name
    location: location
    tags: tags
    sku: 'standard'
    enableRbacAuthorization: true
    softDeleteRetentionInDays: softDeleteDays
    // once on it cannot be turned off; where it is false the module leaves it out, as Azure asks
    enablePurgeProtection: purgeProtection
    // each of them is on by default in the module, and opens the vault to somebody
    enableVaultForDeployment: false
    enableVaultForTemplateDeployment: false
    enableVaultForDiskEncryption: false
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
    enableTelemetry: false
  }
}

resource keyVault 'Microsoft.KeyVault/vaults@2026-05-15' existing = {
  name: name
}

// A plain resource: how this version of the module guards its list of secrets could not be established.
resource teams 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(teamsWebhookUrl)) {
  parent: keyVault
  name: teamsSecretName
  properties: {
    value: teamsWebhookUrl
    contentType: 'URL of a Teams workflow'
  }
  dependsOn: [
    vault
  ]
}

output id string = vault.outputs.resourceId
output name string = vault.outputs.name
output uri string = vault.outputs.uri
