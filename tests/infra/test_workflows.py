"""GitHub's workflows: valid, pinned, and allowed no more than they need. Nothing leaves here."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
BIN = Path(sys.executable).parent
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
NEEDED = {
    "ci.yml": {"contents: read", "id-token: write"},
    "deploy.yml": {"contents: read", "id-token: write"},
    "ml-promotion.yml": {"contents: read", "id-token: write", "pull-requests: write"},
}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def read(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def triggers(path: Path) -> Any:
    return read(path)[True]  # YAML 1.1 reads the key "on" as true


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job["steps"]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120
    )


def test_the_workflows_are_these():
    assert [path.name for path in FILES] == sorted(NEEDED)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", FILES),
        ("custom.github-workflows-require-timeout", FILES),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
        ("vendor.github-issue-forms", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))),
    ],
    ids=["workflows", "timeouts", "dependabot", "issue forms"],
)
def test_files_follow_their_schema(schema: str, files: list[Path]):
    done = run(BIN / "check-jsonschema", "--builtin-schema", schema, *files)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_schema_refuses_a_workflow_that_is_none(tmp_path: Path):
    file = tmp_path / "ci.yml"
    file.write_text("on: push\njobs:\n  a:\n    steps: 3\n")

    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", file)

    assert done.returncode == 1


def test_an_auditor_finds_nothing():
    done = run(BIN / "zizmor", "--offline", "--persona=pedantic", "--format=json", GITHUB)

    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stdout


def test_the_auditor_finds_what_it_should(tmp_path: Path):
    file = tmp_path / "ci.yml"
    file.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - uses: actions/checkout@v6\n"
    )

    done = run(BIN / "zizmor", "--offline", "--format=json", file)

    found = {finding["ident"] for finding in json.loads(done.stdout)}
    assert {"unpinned-uses", "excessive-permissions", "artipacked"} <= found


@each_file
def test_every_action_is_pinned_to_a_commit_and_says_which_version(path: Path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" not in line:
            continue
        reference, _, comment = line.partition("uses:")[2].partition("#")
        assert PINNED.fullmatch(reference.strip())
        assert re.fullmatch(r"v\d+\.\d+\.\d+", comment.strip())


def test_an_action_has_one_pin_everywhere():
    used = {step["uses"] for path in FILES for step in steps(path) if "uses" in step}

    names = [reference.partition("@")[0].casefold() for reference in used]

    assert len(names) == len(set(names))


@each_file
def test_a_workflow_may_do_nothing_and_a_job_what_it_needs(path: Path):
    assert read(path)["permissions"] == {}
    given = {
        f"{name}: {level}"
        for job in jobs(path).values()
        for name, level in job["permissions"].items()
    }
    assert given == NEEDED[path.name]


@each_file
def test_no_job_reaches_azure_and_writes_to_the_repository(path: Path):
    for job in jobs(path).values():
        writes = {name for name, level in job["permissions"].items() if level == "write"}

        assert len(writes) <= 1


@each_file
def test_a_job_that_signs_in_runs_in_an_environment(path: Path):
    signing = [job for job in jobs(path).values() if "id-token" in job["permissions"]]

    assert signing
    assert [job for job in signing if "environment" not in job] == []


@each_file
def test_no_workflow_runs_a_strangers_code_with_rights(path: Path):
    assert not {"pull_request_target", "workflow_run"} & set(triggers(path))


@each_file
def test_a_job_waits_only_for_jobs_that_there_are(path: Path):
    for job in jobs(path).values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(jobs(path))


@each_file
def test_shell_scripts_parse(path: Path):
    for step in steps(path):
        script = re.sub(r"\$\{\{.*?\}\}", "value", step.get("run", ""))
        done = run("bash", "-n", "-c", script)
        assert done.returncode == 0, done.stderr


@each_file
def test_no_expression_is_pasted_into_a_script(path: Path):
    assert [step for step in steps(path) if "${{" in step.get("run", "")] == []


@each_file
def test_what_a_script_names_of_the_project_is_there(path: Path):
    text = "\n".join(step.get("run", "") for step in steps(path))
    named = set(re.findall(r"(?:scripts|infra|requirements)[\w/.-]*\.(?:py|bicep|txt)", text))
    targets = set(re.findall(r"\bmake ([\w-]+)", text))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("openssl")),
    reason="needs jq and openssl, as GitHub's runners have",
)
def test_a_variable_of_several_lines_is_one_variable(tmp_path: Path):
    scripts = [
        step["run"]
        for path in FILES
        for step in steps(path)
        if step.get("name") == "Take the environment's variables"
    ]
    assert len(scripts) == 5
    for place, script in enumerate(scripts):
        out = tmp_path / str(place)
        given = {"VARIABLES": json.dumps({"A": "1\nPATH=/x", "B": "2"}), "GITHUB_ENV": str(out)}

        subprocess.run(["bash", "-ec", script], env={**os.environ, **given}, check=True)

        first, one, path, end, second, two, _ = out.read_text().splitlines()
        assert (first, one, path) == (f"A<<{end}", "1", "PATH=/x")
        assert (second, two) == (f"B<<{end}", "2")
        assert len(end) > 32


def test_a_deployment_takes_the_profile_of_its_environment_s_name():
    path = GITHUB / "workflows" / "deploy.yml"
    names = triggers(path)["workflow_dispatch"]["inputs"]["environment"]["options"]
    provisions = [
        job
        for job in jobs(path).values()
        if any("azd provision" in step.get("run", "") for step in job["steps"])
    ]

    assert set(names) <= {each.stem for each in (ROOT / "infra" / "profiles").glob("*.json")}
    assert len(provisions) == 2
    for job in provisions:
        profile = "${{ vars.RETRAIN_LOOP_PROFILE || inputs.environment || 'dev' }}"
        assert job["env"]["RETRAIN_LOOP_PROFILE"] == profile


def test_the_tests_run_on_every_python_that_is_promised():
    tested = jobs(GITHUB / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]["python"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert 'requires-python = ">=3.11,<3.14"' in project
    assert tested == ["3.11", "3.12", "3.13"]


def test_the_browsers_tests_are_found_by_what_they_import():
    script = next(
        step["run"]
        for step in jobs(GITHUB / "workflows" / "ci.yml")["browser"]["steps"]
        if "grep -rl" in step.get("run", "")
    )
    pattern = re.search(r"grep -rl --include='test_\*.py' '([^']+)' tests", script)
    assert pattern

    found = [path for path in (ROOT / "tests").rglob("test_*.py") if pattern[1] in path.read_text()]

    assert [path for path in found if path != Path(__file__)]
