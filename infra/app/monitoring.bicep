// Where drift rows and telemetry go: the workspace, its table, the rule that takes rows in, and
// Application Insights. Tokens only, no keys.
param location string
param tags object
param workspaceName string
param applicationInsightsName string
param dataCollectionRuleName string
param retentionDays int
param driftTableRetentionDays int
@description('Ingestion a day, GB; -1: no cap. A cap that is reached blinds the alert rules.')
param dailyCapGb int

var log = loadJsonContent('../log-table.json')
var destination = 'workspace'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyCapGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource driftTable 'Microsoft.OperationalInsights/workspaces/tables@2025-07-01' = {
  parent: workspace
  name: log.table
  properties: {
    plan: 'Analytics'
    retentionInDays: retentionDays
    totalRetentionInDays: driftTableRetentionDays
    schema: {
      name: log.table
      // the table's API writes dateTime, the rule's datetime
      columns: map(log.columns, column => {
        name: column.name
        type: (column.type == 'datetime') ? 'dateTime' : (column.type)
      })
    }
  }
}

// kind Direct: the rule has an ingestion endpoint of its own and needs no data collection endpoint
resource rule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: dataCollectionRuleName
  location: location
  tags: tags
  kind: 'Direct'
  properties: {
    streamDeclarations: {
      '${log.stream}': {
        columns: log.columns
      }
    }
    destinations: {
      logAnalytics: [
        {
          name: destination
          workspaceResourceId: workspace.id
        }
      ]
    }
    dataFlows: [
      {
        streams: [
          log.stream
        ]
        destinations: [
          destination
        ]
        transformKql: 'source'
        outputStream: 'Custom-${log.table}'
      }
    ]
  }
  dependsOn: [
    driftTable
  ]
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
    WorkspaceResourceId: workspace.id
  }
}

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output workspaceCustomerId string = workspace.properties.customerId
output applicationInsightsName string = applicationInsights.name
output dataCollectionRuleName string = rule.name
output logsEndpoint string = rule.properties.endpoints.logsIngestion
output logsRuleId string = rule.properties.immutableId
output logsStream string = log.stream
