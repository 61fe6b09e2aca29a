// The budget of the resource group: it warns, it stops nothing.
param name string
@description('A month, in the currency of the billing account.')
param amount int
@description('First day of the first month, yyyy-MM-dd.')
param start string
param email string

var owners = [
  'Owner'
]
var mails = empty(email) ? [] : [
  email
]

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: name
  properties: {
    amount: amount
    category: 'Cost'
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: '${start}T00:00:00Z'
    }
    notifications: {
      forecast: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: mails
        contactRoles: owners
      }
      mostUsed: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: mails
        contactRoles: owners
      }
    }
  }
}
