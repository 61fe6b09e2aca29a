// The Function App on Flex Consumption, and every setting it reads (docs/settings.md).
param location string
param tags object
param name string
param planName string
param identityId string
param identityClientId string
param storageAccountName string
param packageContainer string
param applicationInsightsName string
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int
@description('Instances kept warm for HTTP, so that an alert never meets a cold start; billed all month.')
param alwaysReadyHttp int
@description('Subnet of outgoing traffic; empty: none.')
param subnetId string
@description('Whether only Azure Monitor\'s action groups and the operators\' ranges may call.')
param closedToStrangers bool
param operatorAddressRanges array
param fabricWorkspaceId string
param lakehouseUri string
param mlflowTrackingUri string
param logsEndpoint string
param logsRuleId string
param logsStream string
param vaultUri string
#disable-next-line secure-secrets-in-params // names of secrets, not secrets
param secretSettings object
param alertCallers string
param entraClientId string
param gitSha string
param gitBranch string
param furtherSettings object

var defaults = loadJsonContent('../app-settings.json')
var fabricRegistry = 'fabric://${fabricWorkspaceId}'
var hostSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}
var ownSettings = {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
  AZURE_CLIENT_ID: identityClientId
  FABRIC_WORKSPACE_ID: fabricWorkspaceId
  LAKEHOUSE_URI: lakehouseUri
  MLFLOW_TRACKING_URI: empty(mlflowTrackingUri) ? fabricRegistry : mlflowTrackingUri
  LOGS_INGESTION_ENDPOINT: logsEndpoint
  LOGS_INGESTION_RULE_ID: logsRuleId
  LOGS_INGESTION_STREAM: logsStream
  ALERT_CALLERS: alertCallers
  ENTRA_TENANT_ID: empty(entraClientId) ? '' : tenant().tenantId
  ENTRA_AUDIENCES: empty(entraClientId) ? '' : '${entraClientId},api://${entraClientId}'
  GIT_SHA: gitSha
  GIT_BRANCH: gitBranch
}
var secrets = mapValues(secretSettings, secret => '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secret})')
var actionGroups = [
  {
    name: 'azure-monitor'
    description: 'Action groups of Azure Monitor call from these addresses.'
    action: 'Allow'
    priority: 100
    tag: 'ServiceTag'
    ipAddress: 'ActionGroup'
  }
]
var operators = map(range(0, length(operatorAddressRanges)), place => {
  name: 'operators-${place}'
  action: 'Allow'
  priority: 200 + place
  tag: 'Default'
  ipAddress: operatorAddressRanges[place]
})

resource account 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

module plan 'br/public:avm/res/web/serverfarm:0.7.0' = {
  name: 'plan'
  params: {
    name: planName
    location: location
    tags: tags
    kind: 'functionapp'
    skuName: 'FC1'
    reserved: true
    zoneRedundant: false
    enableTelemetry: false
  }
}

module app 'br/public:avm/res/web/site:0.24.0' = {
  name: 'function-app'
  params: {
    name: name
    location: location
    tags: union(tags, { 'azd-service-name': 'api' })
    kind: 'functionapp,linux'
    serverFarmResourceId: plan.outputs.resourceId
    managedIdentities: {
      userAssignedResourceIds: [
        identityId
      ]
    }
    httpsOnly: true
    clientAffinityEnabled: false
    keyVaultAccessIdentityResourceId: identityId
    virtualNetworkSubnetResourceId: empty(subnetId) ? null : subnetId
    publicNetworkAccess: 'Enabled'
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.12'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp > 0 ? [{ name: 'http', instanceCount: alwaysReadyHttp }] : []
      }
    }
    // in place of the module's default, whose alwaysOn Flex Consumption refuses
    siteConfig: {
      minTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: closedToStrangers ? 'Deny' : 'Allow'
      ipSecurityRestrictions: closedToStrangers ? concat(actionGroups, operators) : []
    }
    configs: [
      {
        name: 'appsettings'
        properties: union(defaults, hostSettings, ownSettings, furtherSettings, secrets)
        // a setting that is no longer deployed goes; by default the module would keep it
        retainCurrentAppSettings: false
      }
    ]
    basicPublishingCredentialsPolicies: [
      {
        name: 'ftp'
        allow: false
      }
      {
        name: 'scm'
        allow: false
      }
    ]
    enableTelemetry: false
  }
}

output id string = app.outputs.resourceId
output name string = app.outputs.name
output uri string = 'https://${app.outputs.defaultHostname}'
