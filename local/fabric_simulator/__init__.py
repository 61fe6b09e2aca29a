"""A stand-in for Microsoft Fabric: jobs that really run, a model registry, OneLake's files.

Shapes, status codes, headers and limits follow Fabric's published OpenAPI files and recorded
answers; nothing here is part of the deployed app.
"""
