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

module workspace 'br/public:avm/res/operational-insights/workspace:0.16.1' = {
  name: 'log-analytics'
  params: {
    name: workspaceName
    location: location
    tags: tags
    skuName: 'PerGB2018'
    dataRetention: retentionDays
    dailyQuotaGb: string(dailyCapGb)
    // the module's default asks for a customer's key and storage, of which there are none
    forceCmkForQuery: false
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
    enableTelemetry: false
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

// Not among the module's tables: there the total retention ends at 2,555 days, between two of Azure's steps.
resource driftTable 'Microsoft.OperationalInsights/workspaces/tables@2025-07-01' = {
  parent: logs
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
  dependsOn: [
    workspace
  ]
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
          workspaceResourceId: workspace.outputs.resourceId
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

module applicationInsights 'br/public:avm/res/insights/component:0.8.0' = {
  name: 'application-insights'
  params: {
    name: applicationInsightsName
    location: location
    tags: tags
    kind: 'web'
    applicationType: 'web'
    workspaceResourceId: workspace.outputs.resourceId
    disableLocalAuth: true
    // callers' addresses stay masked, which the module's default would end
    disableIpMasking: false
    retentionInDays: 90
    enableTelemetry: false
  }
}

output workspaceId string = workspace.outputs.resourceId
output workspaceName string = workspace.outputs.name
output workspaceCustomerId string = workspace.outputs.logAnalyticsWorkspaceId
output applicationInsightsName string = applicationInsights.outputs.name
output dataCollectionRuleName string = rule.name
output logsEndpoint string = rule.properties.endpoints.logsIngestion
output logsRuleId string = rule.properties.immutableId
output logsStream string = log.stream
