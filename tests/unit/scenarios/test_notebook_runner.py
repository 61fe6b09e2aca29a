"""The runner's reading of Fabric's notebook format, and how it executes and fails."""

import json

import pytest

from local.notebook_runner import CellFailedError, NotebookFormatError, execute, main, parse

NOTEBOOK = """# Fabric notebook source

# METADATA ********************

# META {
# META   "kernel_info": {"name": "jupyter"}
# META }

# MARKDOWN ********************

# # A title

# PARAMETERS CELL ********************

name = "default"
count = 1
share = 0.5
dry = False

# METADATA ********************

# META {
# META   "language": "python"
# META }

# CELL ********************

doubled = count * 2
"""
FAILING = NOTEBOOK + "\n# CELL ********************\n\nraise RuntimeError('no rows before March')\n"


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "notebook-content.py"
    path.write_text(NOTEBOOK, encoding="utf-8")
    return path


def test_only_code_cells_are_read_and_the_parameters_cell_is_marked():
    cells = parse(NOTEBOOK)

    assert [(cell.number, cell.is_parameters) for cell in cells] == [(1, True), (2, False)]
    assert "META" not in "".join(cell.source for cell in cells)


def test_parameters_replace_defaults_before_the_next_cell_runs(notebook):
    left = execute(notebook, {"name": "given", "count": 4})

    assert (left["name"], left["doubled"]) == ("given", 8)


def test_a_parameter_takes_the_type_of_its_default(notebook):
    left = execute(notebook, {"count": "3", "share": "0.25", "dry": "True", "name": 7})

    assert (left["count"], left["share"], left["dry"], left["name"]) == (3, 0.25, True, "7")


def test_a_parameter_of_the_wrong_type_fails_the_parameters_cell(notebook):
    with pytest.raises(CellFailedError) as caught:
        execute(notebook, {"count": "many"})

    assert caught.value.number == 1


def test_parameters_without_a_parameters_cell_are_refused(tmp_path):
    path = tmp_path / "notebook-content.py"
    path.write_text("# Fabric notebook source\n\n# CELL ********************\n\nx = 1\n", "utf-8")

    with pytest.raises(NotebookFormatError, match="no parameters cell"):
        execute(path, {"x": 2})


def test_a_plain_python_file_is_refused(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("x = 1\n", encoding="utf-8")

    assert main([str(path)]) == 1


def test_a_failing_cell_is_named_with_its_cause_and_its_line(tmp_path, capsys):
    path = tmp_path / "notebook-content.py"
    path.write_text(FAILING, encoding="utf-8")
    line = FAILING.splitlines().index("raise RuntimeError('no rows before March')") + 1

    status = main([str(path)])

    said = capsys.readouterr().err
    assert status == 1
    assert "cell 3" in said
    assert "no rows before March" in said
    assert f"line {line}" in said


def test_a_sound_notebook_exits_with_zero(notebook, tmp_path):
    parameters = tmp_path / "parameters.json"
    parameters.write_text(json.dumps({"count": 2}), encoding="utf-8")

    assert main([str(notebook), "--parameters", str(parameters)]) == 0
