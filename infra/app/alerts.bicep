// The action group, and one scheduled query rule for each entry of infra/alert-rules.json: the file
// that the local Azure Monitor simulator evaluates, too.
param location string
param tags object
param actionGroupName string
param identityId string
param workspaceId string
param functionAppId string
param functionAppUri string
@allowed([
  'entra'
  'key'
  'none'
])
param receiver string
param entraClientId string
param entraObjectId string
@secure()
param functionKey string
param email string

var file = loadJsonContent('../alert-rules.json')

// A plain resource: a receiver may hold the function key, which in the module's lists of receivers would
// stay readable among the deployment's inputs.
resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'Global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'retrainloop'
    emailReceivers: empty(email) ? [] : [
      {
        name: 'owner'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
    // a secure webhook: useAadAuth with the registration's object id; no secret anywhere
    webhookReceivers: receiver == 'entra' ? [
      {
        name: 'retrain-loop'
        serviceUri: '${functionAppUri}/api/secure/alerts'
        useCommonAlertSchema: true
        useAadAuth: true
        objectId: entraObjectId
        identifierUri: 'api://${entraClientId}'
        tenantId: tenant().tenantId
      }
    ] : []
    // the key lies in the action: after a rotation the group must be deployed again
    azureFunctionReceivers: receiver == 'key' ? [
      {
        name: 'retrain-loop'
        functionAppResourceId: functionAppId
        functionName: 'receive_alert'
        httpTriggerUrl: '${functionAppUri}/api/alerts?code=${functionKey}'
        useCommonAlertSchema: true
      }
    ] : []
  }
}

module rules 'br/public:avm/res/insights/scheduled-query-rule:0.6.0' = [
  for rule in file.rules: {
    name: 'rule-${rule.name}'
    params: {
      name: rule.name
      location: location
      tags: tags
      kind: 'LogAlert'
      managedIdentities: {
        userAssignedResourceIds: [
          identityId
        ]
      }
      alertDisplayName: rule.displayName
      alertDescription: rule.description
      severity: rule.severity
      enabled: rule.enabled
      scopes: [
        workspaceId
      ]
      evaluationFrequency: rule.evaluationFrequency
      windowSize: rule.windowSize
      autoMitigate: rule.autoMitigate
      // the table is new: without rows the service would refuse a query it cannot try
      skipQueryValidation: true
      criterias: {
        allOf: [
          {
            query: rule.query
            timeAggregation: rule.timeAggregation
            metricMeasureColumn: rule.measure
            operator: rule.operator
            threshold: rule.threshold
            dimensions: map(rule.dimensions, dimension => {
              name: dimension
              operator: 'Include'
              values: [
                '*'
              ]
            })
            failingPeriods: rule.failingPeriods
          }
        ]
      }
      actions: {
        actionGroupResourceIds: [
          actionGroup.id
        ]
        customProperties: rule.customProperties
      }
      enableTelemetry: false
    }
  }
]

output actionGroupId string = actionGroup.id
