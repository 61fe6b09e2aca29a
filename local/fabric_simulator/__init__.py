"""A stand-in for Microsoft Fabric's job scheduler: its REST v1 shapes, with jobs that really run.

Shapes, status codes, headers and limits follow Fabric's published OpenAPI files and recorded
answers; nothing here is part of the deployed app.
"""
