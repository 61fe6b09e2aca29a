"""Azure Monitor on one machine: log ingestion, alert rules, an action group, a Teams workflow.

``python -m local.monitor_simulator --help`` starts it. What it does is what the loop depends on
and no more: rows come in over the Logs Ingestion API, the rules that are deployed are evaluated
on them, and alerts leave in the common schema with the action group's retries.

Where it is stricter than the service, it is so to show a mistake that the service swallows: a
body that is not an array and a column nobody declared are a 400 here and a silent 204 there.
"""
