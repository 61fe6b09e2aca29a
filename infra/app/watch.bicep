// Who watches the loop: rules of infra/watch-rules.json that mail people when it is silent, fails, or
// its audit does not hold. Their alerts never reach the app.
param location string
param tags object
param actionGroupName string
param identityId string
param workspaceId string
param email string

var file = loadJsonContent('../watch-rules.json')

module people 'br/public:avm/res/insights/action-group:0.8.0' = {
  name: 'action-group-people'
  params: {
    name: actionGroupName
    location: 'Global'
    tags: tags
    enabled: true
    groupShortName: 'loop-people'
    emailReceivers: empty(email) ? [] : [
      {
        name: 'owner'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
    enableTelemetry: false
  }
}

module watchRules 'br/public:avm/res/insights/scheduled-query-rule:0.6.0' = [
  for rule in file.rules: {
    name: 'watch-${rule.name}'
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
      enabled: true
      scopes: [
        workspaceId
      ]
      evaluationFrequency: rule.evaluationFrequency
      windowSize: rule.windowSize
      autoMitigate: true
      skipQueryValidation: true
      criterias: {
        allOf: [
          {
            query: rule.query
            timeAggregation: rule.timeAggregation
            metricMeasureColumn: rule.?measure
            operator: rule.operator
            threshold: rule.threshold
            dimensions: map(rule.dimensions, dimension => {
              name: dimension
              operator: 'Include'
              values: [
                '*'
              ]
            })
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroupResourceIds: [
          people.outputs.resourceId
        ]
      }
      enableTelemetry: false
    }
  }
]
