"""docs/deploy.md says what is so; docs/live-checklist.md leaves nothing out."""

import re

import pytest

from local.bicep.project import INFRA, read_json
from local.deploy_plan import at_rest, price_list

DOCS = INFRA.parent / "docs"
DEPLOY = (DOCS / "deploy.md").read_text(encoding="utf-8")
CHECKLIST = (DOCS / "live-checklist.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", ["dev", "staging", "prod", "regulated"])
def test_the_table_of_profiles_says_what_the_profiles_say(deployed, profile):
    said = read_json(INFRA / f"profiles/{profile}.json")
    prices = price_list(read_json(INFRA / "prices.json"))
    cost = sum(at_rest(each, prices) for each in deployed(profile))

    [row] = re.findall(rf"^\| `{profile}` \| .*$", DEPLOY, flags=re.MULTILINE)

    keys = ("logRetentionDays", "driftTableRetentionDays", "immutabilityDays")
    assert ", ".join(str(said[key]) for key in keys) + " days" in row
    assert f"| {cost:.2f} |" in row or f"| {cost:.0f} |" in row
    assert f"{said['instanceMemoryMB'] // 1024} GB" in row
    assert ("delete lock" in row) == said["deleteLock"]


def test_every_value_that_azd_needs_is_told():
    parameters = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    needed = re.findall(r"\$\{([A-Z_0-9]+)\}", parameters)

    told = {name for name in needed if name in DEPLOY}
    assert set(needed) - told <= {"AZURE_ENV_NAME", "AZURE_LOCATION"}  # azd asks for these


def test_every_page_that_was_not_run_live_is_on_the_checklist():
    pages = [page for page in DOCS.glob("*.md") if page.name != "live-checklist.md"]
    marked = {page.name for page in pages if "not yet run live" in page.read_text().casefold()}

    assert {name for name in marked if f"({name})" not in CHECKLIST} == set()


def test_the_checklist_has_boxes_to_tick():
    lines = [line for line in CHECKLIST.splitlines() if line.startswith("- ")]

    assert len(lines) > 30
    assert all(line.startswith("- [ ] ") for line in lines)


def test_files_that_the_bicep_names_are_there():
    sources = [INFRA.parent / "azure.yaml", *INFRA.glob("*.bicep"), *INFRA.glob("app/*.bicep")]
    text = "\n".join(each.read_text(encoding="utf-8") for each in sources)
    named = set(re.findall(r"\b((?:infra|docs|shared)/[\w./-]+\.\w+)", text))

    assert "infra/scripts/register_app.py" in named
    assert {each for each in named if not (INFRA.parent / each).is_file()} == set()


def test_each_file_of_resources_says_which_registry_modules_it_calls_and_why_no_other(project):
    section = DEPLOY.partition("## Azure Verified Modules")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| (`[\w-]+\.bicep`.*?) \| (.*?) ?\| (.*?) ?\|$", section, flags=re.MULTILINE
    )

    said = {}
    for files, modules, plain in rows:
        for file in re.findall(r"`([\w-]+\.bicep)`", files):
            said[file] = set(re.findall(r"`([\w/-]+:\d+\.\d+\.\d+)`", modules))
            assert modules or plain, file
    called = {
        path.name: {
            module.what.removeprefix("br/public:avm/res/")
            for module in file.modules.values()
            if module.is_from_registry
        }
        for path, file in project.files.items()
        if path.parent.name == "app"
    }
    assert said == called


def test_a_file_with_plain_resources_beside_modules_says_why(project):
    section = DEPLOY.partition("## Azure Verified Modules")[2].partition("\n## ")[0]

    for path, file in project.files.items():
        is_plain = any(not each.existing for each in file.resources.values())
        if path.parent.name == "app" and is_plain:
            [row] = [x for x in section.splitlines() if x.startswith("| `") and path.name in x]
            assert len(row.split(" | ")[-1]) > len(" |"), row


@pytest.mark.parametrize("page", ["deploy.md", "live-checklist.md"])
def test_links_lead_to_pages_and_paths_to_files(page):
    text = (DOCS / page).read_text(encoding="utf-8")

    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+\.md[^)]*)\)", text)}
    paths = set(re.findall(r"`((?:infra|tests|scripts)/[\w./-]+)`", text))
    assert {link for link in links if not (DOCS / link).is_file()} == set()
    assert {path for path in paths if not (INFRA.parent / path).exists()} == set()
