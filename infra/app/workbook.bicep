// The workbook: decisions, drift, gates and durations on one page.
param location string
param tags object
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'retrain-loop-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Retrain Loop'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook.json')
  }
}
