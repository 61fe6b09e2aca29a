"""Protocols for everything outside: what the handlers may ask of the world.

The adapters under ``shared/adapters`` are the real ones; ``tests/fakes`` holds fakes that pass the
same contract tests. Every method raises ``Unavailable`` when the other side does not answer; what
else it raises stands at the method.
"""

from shared.ports.callers import Tokens
from shared.ports.clock import Clock
from shared.ports.jobs import ENDED, JobInstance, Jobs, JobService, Started
from shared.ports.operation import EndpointMonitor, EndpointSignals
from shared.ports.people import Notice, Notifier
from shared.ports.profiles import ProfileSource, ProfileStore
from shared.ports.registry import ModelVersion, Probe, Registry, Scored, Scorer
from shared.ports.reports import GatePage
from shared.ports.signature import Signatures
from shared.ports.state import Commit, EvidenceStore, Marks, Queues, RunStore, Snapshot
from shared.ports.tables import Answers, Groups, MetricSink, RowCounts, Tables, Window, Windows

__all__ = [
    "ENDED",
    "Answers",
    "Clock",
    "Commit",
    "EndpointMonitor",
    "EndpointSignals",
    "EvidenceStore",
    "GatePage",
    "Groups",
    "JobInstance",
    "JobService",
    "Jobs",
    "Marks",
    "MetricSink",
    "ModelVersion",
    "Notice",
    "Notifier",
    "Probe",
    "ProfileSource",
    "ProfileStore",
    "Queues",
    "Registry",
    "RowCounts",
    "RunStore",
    "Scored",
    "Scorer",
    "Signatures",
    "Snapshot",
    "Started",
    "Tables",
    "Tokens",
    "Window",
    "Windows",
]
