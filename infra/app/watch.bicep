// Who watches the loop: rules of infra/watch-rules.json that mail people when it is silent, fails, or
// its audit does not hold. Their alerts never reach the app.
param location string
param tags object
param actionGroupName string
param identityId string
param workspaceId string
param email string

var file = loadJsonContent('../watch-rules.json')

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'Global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'loop-people'
    emailReceivers: empty(email) ? [] : [
      {
        name: 'owner'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource watchRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in file.rules: {
    name: rule.name
    location: location
    tags: tags
    kind: 'LogAlert'
    identity: {
      type: 'UserAssigned'
      userAssignedIdentities: {
        '${identityId}': {}
      }
    }
    properties: {
      displayName: rule.displayName
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [
        workspaceId
      ]
      evaluationFrequency: rule.evaluationFrequency
      windowSize: rule.windowSize
      autoMitigate: true
      skipQueryValidation: true
      criteria: {
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
        actionGroups: [
          people.id
        ]
      }
    }
  }
]
