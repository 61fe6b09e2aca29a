// Everything that Retrain Loop needs in Azure: `azd provision`, or `az deployment sub create`.
// Azure Verified Modules at pinned versions; what they could not express is plain: docs/deploy.md.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the environment; the resource group and the short hash in every name come from it.')
param environmentName string

@minLength(1)
@description('Region of everything. Log Analytics and its data collection rule must share it; the list is of regions with Flex Consumption.')
@allowed([
  'australiaeast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('What is deployed how: the sizes, retentions and guards of infra/profiles/<profile>.json.')
@allowed([
  'dev'
  'staging'
  'prod'
  'regulated'
])
param profile string = 'dev'

@description('Who answers for the deployment; a tag on every resource.')
param owner string

@description('Where its cost is booked; a tag on every resource.')
param costCenter string

@description('Who is mailed when an alert fires and when the budget is used up; empty: nobody.')
param alertEmail string = ''

@description('The Fabric workspace of the models.')
param fabricWorkspaceId string

@description('Root of the lakehouse tables in OneLake: abfss://<workspace>@onelake.dfs.fabric.microsoft.com/<item>/Tables.')
param lakehouseUri string

@description('The MLflow registry; empty: that of the Fabric workspace, over REST.')
param mlflowTrackingUri string = ''

@description('The settings that models.yaml names as \${NAME}, such as the pipelines\' ids.')
param modelSettings object = {}

@description('App settings that differ from the profile and from the defaults.')
param appSettings object = {}

@description('App settings whose value is a secret of the vault: setting name to secret name.')
#disable-next-line secure-secrets-in-params // names of secrets, not secrets
param secretSettings object = {}

@secure()
@description('The Teams Workflows webhook for notices; empty: notices go to the log.')
param teamsWebhookUrl string = ''

@description('How the action group calls: with an Entra token, with the function key, or not at all yet.')
@allowed([
  'entra'
  'key'
  'none'
])
param alertReceiver string = 'none'

@description('The app registration that alerts and operators get tokens for: its client id. infra/scripts/register_app.py makes it.')
param entraClientId string = ''

@description('The object id of that app registration (not of its service principal).')
param entraObjectId string = ''

@secure()
@description('With alertReceiver = key: the function key of receive_alert, known after the first deployment.')
param alertFunctionKey string = ''

@description('Address ranges (CIDR) from which operators call the app where it is otherwise closed.')
param operatorAddressRanges array = []

@description('Set, to any text, once the immutability policies were locked by hand: Azure does not let a locked one be written again.')
param immutabilityLocked string = ''

@description('The deployed commit and branch, recorded with each promotion.')
param gitSha string = ''
param gitBranch string = ''

@description('First day of the budget\'s first month, yyyy-MM-01; the hook notes it once. Not before this month when the budget is made, and never another later: Azure refuses that. Empty: the budget is left as it is.')
param budgetStart string = ''

var abbreviations = loadJsonContent('abbreviations.json')
var profiles = {
  dev: loadJsonContent('profiles/dev.json')
  staging: loadJsonContent('profiles/staging.json')
  prod: loadJsonContent('profiles/prod.json')
  regulated: loadJsonContent('profiles/regulated.json')
}
var chosen = profiles[profile]
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
  environment: profile
  owner: owner
  'cost-center': costCenter
  application: 'retrain-loop'
}
var functionAppName = '${abbreviations.functionApp}retrain-loop-${token}'
var packageContainer = 'app-package'
var teamsSecret = 'teams-webhook-url'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourceGroup}${environmentName}'
  location: location
  tags: tags
}

module identities 'app/identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: tags
    appIdentityName: '${abbreviations.identity}retrain-loop-${token}'
    alertsIdentityName: '${abbreviations.identity}alerts-${token}'
  }
}

module network 'app/network.bicep' = if (chosen.privateNetwork) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.virtualNetwork}${token}'
    gatewayName: '${abbreviations.natGateway}${token}'
    addressName: '${abbreviations.publicAddress}${token}'
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.storageAccount}${token}'
    sku: chosen.storageSku
    publicAccess: !chosen.privateNetwork
    packageContainer: packageContainer
    softDeleteDays: chosen.softDeleteDays
    immutabilityDays: empty(immutabilityLocked) ? chosen.immutabilityDays : 0
    deleteLock: chosen.deleteLock
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: '${abbreviations.workspace}${token}'
    applicationInsightsName: '${abbreviations.applicationInsights}${token}'
    dataCollectionRuleName: '${abbreviations.dataCollectionRule}drift-${token}'
    retentionDays: chosen.logRetentionDays
    driftTableRetentionDays: chosen.driftTableRetentionDays
    dailyCapGb: chosen.logDailyCapGb
  }
}

module vault 'app/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.keyVault}${token}'
    publicAccess: !chosen.privateNetwork
    softDeleteDays: max(7, min(90, chosen.softDeleteDays))
    purgeProtection: chosen.purgeProtection
    teamsSecretName: teamsSecret
    teamsWebhookUrl: teamsWebhookUrl
  }
}

module accessLogs 'app/access-logs.bicep' = if (chosen.accessLogs) {
  name: 'access-logs'
  scope: group
  params: {
    storageAccountName: storage.outputs.name
    vaultName: vault.outputs.name
    workspaceId: monitoring.outputs.workspaceId
  }
}

module endpoints 'app/private-endpoints.bicep' = if (chosen.privateNetwork) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    prefix: '${abbreviations.privateEndpoint}${token}-'
    networkId: chosen.privateNetwork ? network!.outputs.id : ''
    subnetId: chosen.privateNetwork ? network!.outputs.endpointSubnetId : ''
    storageAccountId: storage.outputs.id
    vaultId: vault.outputs.id
  }
}

module roles 'app/rbac.bicep' = {
  name: 'roles'
  scope: group
  params: {
    appPrincipalId: identities.outputs.appPrincipalId
    alertsPrincipalId: identities.outputs.alertsPrincipalId
    storageAccountName: storage.outputs.name
    workspaceName: monitoring.outputs.workspaceName
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    dataCollectionRuleName: monitoring.outputs.dataCollectionRuleName
    vaultName: vault.outputs.name
  }
}

module api 'app/api.bicep' = {
  name: 'api'
  scope: group
  params: {
    location: location
    tags: tags
    name: functionAppName
    planName: '${abbreviations.functionPlan}${token}'
    identityId: identities.outputs.appIdentityId
    identityClientId: identities.outputs.appClientId
    storageAccountName: storage.outputs.name
    packageContainer: packageContainer
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    instanceMemoryMB: chosen.instanceMemoryMB
    maximumInstanceCount: chosen.maximumInstanceCount
    alwaysReadyHttp: chosen.alwaysReadyHttp
    subnetId: chosen.privateNetwork ? network!.outputs.appSubnetId : ''
    closedToStrangers: chosen.privateNetwork
    operatorAddressRanges: operatorAddressRanges
    fabricWorkspaceId: fabricWorkspaceId
    lakehouseUri: lakehouseUri
    mlflowTrackingUri: mlflowTrackingUri
    logsEndpoint: monitoring.outputs.logsEndpoint
    logsRuleId: monitoring.outputs.logsRuleId
    logsStream: monitoring.outputs.logsStream
    vaultUri: vault.outputs.uri
    secretSettings: union(empty(teamsWebhookUrl) ? {} : { TEAMS_WEBHOOK_URL: teamsSecret }, secretSettings)
    alertCallers: alertReceiver == 'entra' ? 'entra' : 'key'
    entraClientId: entraClientId
    gitSha: gitSha
    gitBranch: gitBranch
    furtherSettings: union(chosen.appSettings, modelSettings, appSettings)
  }
  dependsOn: [
    roles
    endpoints
  ]
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    actionGroupName: '${abbreviations.actionGroup}${token}'
    identityId: identities.outputs.alertsIdentityId
    workspaceId: monitoring.outputs.workspaceId
    functionAppId: api.outputs.id
    functionAppUri: api.outputs.uri
    receiver: alertReceiver
    entraClientId: entraClientId
    entraObjectId: entraObjectId
    functionKey: alertFunctionKey
    email: alertEmail
  }
  dependsOn: [
    roles
  ]
}

module watch 'app/watch.bicep' = {
  name: 'watch'
  scope: group
  params: {
    location: location
    tags: tags
    actionGroupName: '${abbreviations.actionGroup}people-${token}'
    identityId: identities.outputs.alertsIdentityId
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
  }
  dependsOn: [
    roles
  ]
}

module workbook 'app/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module budget 'app/budget.bicep' = if (chosen.monthlyBudget > 0 && !empty(budgetStart)) {
  name: 'budget'
  scope: group
  params: {
    name: '${abbreviations.budget}${token}'
    amount: chosen.monthlyBudget
    start: budgetStart
    email: alertEmail
  }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = api.outputs.name
output SERVICE_API_NAME string = api.outputs.name
output SERVICE_API_URI string = api.outputs.uri
output RETRAIN_LOOP_CLIENT_ID string = identities.outputs.appClientId
output RETRAIN_LOOP_PRINCIPAL_ID string = identities.outputs.appPrincipalId
output RETRAIN_LOOP_STORAGE_ACCOUNT string = storage.outputs.name
output RETRAIN_LOOP_WORKSPACE_ID string = monitoring.outputs.workspaceCustomerId
output RETRAIN_LOOP_OUTBOUND_ADDRESS string = chosen.privateNetwork ? network!.outputs.outboundAddress : ''
output RETRAIN_LOOP_VAULT string = vault.outputs.name
output RETRAIN_LOOP_BUDGET_START string = budgetStart
output LOGS_INGESTION_ENDPOINT string = monitoring.outputs.logsEndpoint
output LOGS_INGESTION_RULE_ID string = monitoring.outputs.logsRuleId
