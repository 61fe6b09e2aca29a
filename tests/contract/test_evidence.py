"""What any EvidenceStore does: the fake and Blob storage behind Azurite give the same answers."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.storage.blob_evidence import BlobEvidence
from shared.config import Settings
from shared.errors import NotFound, Refused
from shared.ports import EvidenceStore
from tests.fakes.evidence import FakeEvidence

NAME = "flight-delay/run-1/gates.json"


@contextmanager
def azurite_evidence(connection: str) -> Iterator[BlobEvidence]:
    name = f"c{uuid4().hex[:20]}"
    with BlobServiceClient.from_connection_string(connection) as service:
        evidence = BlobEvidence(lambda: service.get_container_client(name))
        yield evidence
        evidence.close()
        service.delete_container(name)


@pytest.fixture(params=["fake", "azurite"])
def evidence(request: pytest.FixtureRequest) -> Iterator[EvidenceStore]:
    if request.param == "fake":
        yield FakeEvidence()
        return
    with azurite_evidence(request.getfixturevalue("azurite_connection")) as real:
        yield real


@pytest.mark.parametrize("content", [b"", b'{"psi": 0.31}', bytes(range(256)) * 8192])
def test_evidence_is_read_as_it_was_put_and_named_by_its_hash(evidence, content):
    digest = evidence.put(NAME, content)

    assert digest == hashlib.sha256(content).hexdigest()
    assert evidence.get(NAME) == content


def test_the_same_evidence_may_be_put_again(evidence):
    first = evidence.put(NAME, b"once")

    assert evidence.put(NAME, b"once") == first
    assert evidence.get(NAME) == b"once"


def test_other_evidence_under_the_same_name_is_refused_and_the_first_stays(evidence):
    evidence.put(NAME, b"once")

    with pytest.raises(Refused, match="holds other evidence already") as caught:
        evidence.put(NAME, b"twice")

    assert caught.value.code == "EvidenceExists"
    assert evidence.get(NAME) == b"once"


def test_a_name_nobody_put_is_not_found(evidence):
    evidence.put(NAME, b"once")

    with pytest.raises(NotFound):
        evidence.get("flight-delay/run-2/gates.json")


def test_of_many_that_put_different_evidence_at_once_one_is_kept(evidence):
    def put(number: int) -> bytes | None:
        content = f"from {number}".encode()
        try:
            evidence.put(NAME, content)
        except Refused:
            return None
        return content

    with ThreadPoolExecutor(6) as pool:
        kept = [content for content in pool.map(put, range(6)) if content is not None]

    assert kept == [evidence.get(NAME)]


def test_a_container_that_is_there_already_is_used_as_it_is(azurite_connection):
    with azurite_evidence(azurite_connection) as evidence:
        evidence.put(NAME, b"once")
        again = BlobEvidence(evidence._open)

        assert again.get(NAME) == b"once"


def test_the_apps_own_container_is_found_through_its_settings(azurite_connection):
    settings = Settings.model_validate(
        {
            "AzureWebJobsStorage": azurite_connection,
            "LAKEHOUSE_URI": "lakehouse",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
        }
    )
    evidence = BlobEvidence.connect(settings, credential=None)

    evidence.put(name := f"{uuid4().hex}/gates.json", b"once")

    with BlobServiceClient.from_connection_string(azurite_connection) as service:
        blob = service.get_blob_client("evidence", name)
        assert blob.download_blob().readall() == b"once"
    evidence.close()


def test_the_blob_sdk_is_not_imported_before_evidence_is_needed():
    code = (
        "import sys\n"
        "from shared.adapters.storage.blob_evidence import BlobEvidence\n"
        "BlobEvidence.connect(None, None)\n"
        "print('azure.storage.blob' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
