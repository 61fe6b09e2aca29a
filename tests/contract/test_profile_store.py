"""What any ProfileStore does: the fake and Blob storage behind Azurite give the same answers."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.profiles.blob_profiles import BlobProfiles
from shared.config import Settings
from shared.errors import NotFound
from shared.ports import ProfileStore
from tests.fakes.profiles import FakeProfiles

NAME = "flight-delay/3/2013-07-01.rlp"


@pytest.fixture(params=["fake", "azurite"])
def store(request: pytest.FixtureRequest) -> Iterator[ProfileStore]:
    if request.param == "fake":
        yield FakeProfiles()
        return
    connection, name = request.getfixturevalue("azurite_connection"), f"c{uuid4().hex[:20]}"
    with BlobServiceClient.from_connection_string(connection) as service:
        profiles = BlobProfiles(lambda: service.get_container_client(name))
        yield profiles
        profiles.close()
        service.delete_container(name)


@pytest.mark.parametrize("content", [b"", b"RLPF", bytes(range(256)) * 8192])
def test_a_profile_is_read_as_it_was_put(store: ProfileStore, content: bytes):
    store.put(NAME, content)

    assert store.get(NAME) == content


def test_a_profile_put_again_takes_the_place_of_the_first(store: ProfileStore):
    store.put(NAME, b"the longer one")

    store.put(NAME, b"second")

    assert store.get(NAME) == b"second"


def test_names_are_kept_apart(store: ProfileStore):
    store.put(NAME, b"once")

    with pytest.raises(NotFound):
        store.get("flight-delay/33/2013-07-01.rlp")


def test_the_apps_own_container_is_found_through_its_settings(azurite_connection: str):
    settings = Settings.model_validate(
        {
            "AzureWebJobsStorage": azurite_connection,
            "LAKEHOUSE_URI": "lakehouse",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
        }
    )
    profiles = BlobProfiles.connect(settings, credential=None)

    profiles.put(name := f"{uuid4().hex}/1/reference.rlp", b"once")

    with BlobServiceClient.from_connection_string(azurite_connection) as service:
        blob = service.get_blob_client("profiles", name)
        assert blob.download_blob().readall() == b"once"
    profiles.close()
