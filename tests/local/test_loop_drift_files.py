"""``loop drift``: files as people have them, and files that are refused with a plain sentence."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.local.drift_command import CURRENT, REFERENCE, Folder, call, normal


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def doubled() -> pa.Table:
    return pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("gone.csv", None, "is not there"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("header.csv", b"coin_in,coin_out\n", "has no rows"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "neither Parquet nor CSV"),
        ("cut.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("bent.csv", b"coin_in,coin_out\n1,2\n1,2,3\n", "cannot be read"),
        ("twice.csv", b"coin_in,coin_in\n1,2\n", "more than one column is named 'coin_in'"),
        ("other.csv", b"a,b\n1,2\n", "no column in common"),
        ("latin.csv", b"coin\xe9\n1\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_compared_is_refused_with_status_2(folder, name, content, complaint):
    path = folder.path / name if content is None else folder.text(name, content)

    outcome = folder.compare(REFERENCE, path)

    assert outcome.status == 2
    assert complaint in outcome.stderr
    assert outcome.stderr.startswith("loop drift: ")
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.document is None
    assert outcome.page == ""


def test_a_folder_is_no_file(folder):
    outcome = folder.compare(folder.path, CURRENT)

    assert (outcome.status, "is a folder" in outcome.stderr) == (2, True)


def test_parquet_with_two_columns_of_a_name_is_refused(folder):
    path = folder.path / "twice.parquet"
    pyarrow.parquet.write_table(doubled(), path)

    outcome = folder.compare(path, path)

    assert outcome.status == 2
    assert "more than one column is named 'x'" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--columns", "nothing"), "--columns: no column is named 'nothing'"),
        (("--exclude", "coin_in,nope"), "--exclude: no column is named 'nope'"),
        (("--prediction", "nope"), "--prediction: 'nope' is not in the reference"),
        (("--prediction", "game_theme"), "holds large_string, not numbers"),
        (("--actual", "coin_in"), "--actual: needs --prediction"),
        (("--task", "regression"), "--task: needs --actual"),
        (("--numeric", "coin_in", "--categorical", "coin_in"), "is also in --categorical"),
        (("--threshold", "0"), "--threshold"),
        (("--threshold", "-1"), "--threshold"),
        (("--alpha", "0.7"), "--alpha"),
        (("--bins", "1"), "--bins"),
        (("--ks-floor", "nan"), "--ks-floor"),
        (("--task", "guessing"), "--task"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_status_2(options, complaint):
    outcome = call(REFERENCE, CURRENT, *options)

    assert outcome.status == 2
    assert complaint in outcome.stderr


def test_excluding_every_column_leaves_nothing_to_compare(folder):
    path = folder.parquet("one", {"a": normal(10)})

    outcome = folder.compare(path, path, "--exclude", "a")

    assert outcome.status == 2
    assert "no column is left to compare" in outcome.stderr


def test_outputs_never_overwrite_what_is_compared_nor_each_other(folder):
    path = folder.parquet("one", {"a": normal(300)})
    before = path.read_bytes()
    missing = folder.path / "none" / "out.json"

    over = call(path, path, "--json", str(path))
    both = call(path, path, "--json", str(path) + "x", "--html", str(path) + "x")
    astray = call(path, path, "--json", str(missing))

    assert [over.status, both.status, astray.status] == [2, 2, 2]
    assert path.read_bytes() == before
    assert "is one of the other files" in over.stderr
    assert "in one that is not there" in astray.stderr


# --- files as people have them ---------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_csv_may_have_another_delimiter_and_a_byte_order_mark(folder, mark):
    rows = "".join(f"{place}{mark}word{place % 3}\n" for place in range(600))
    path = folder.text("one.csv", f"\ufeffnumber{mark}text\n{rows}")

    outcome = folder.compare(path, path)

    kinds = {name: found["kind"] for name, found in outcome.features.items()}
    assert kinds == {"number": "numeric", "text": "categorical"}


def test_a_csv_whose_numbers_become_fractions_late_is_read_as_numbers(folder):
    whole = "1234567890\n" * 150_000
    path = folder.text("late.csv", f"x\n{whole}0.5\n")

    outcome = folder.compare(path, path)

    assert path.stat().st_size > 1 << 20
    assert outcome.features["x"]["kind"] == "numeric"
    assert outcome.features["x"]["missing_current"] == 0


def test_a_csv_may_hold_line_breaks_in_quotes(folder):
    path = folder.text("quoted.csv", "x,t\n" + '1,"two\nlines"\n2,one\n' * 300)

    outcome = folder.compare(path, path)

    assert outcome.summary["n_current"] == 600
    assert outcome.features["t"]["unseen_share"] == 0


def test_empty_cells_and_na_in_a_csv_are_missing(folder):
    path = folder.text("gaps.csv", "x,t\n" + "1,a\n,\nNA,NA\n4,b\n" * 200)

    outcome = folder.compare(path, path)

    assert outcome.features["x"]["missing_current"] == 0.5
    assert outcome.features["t"]["missing_current"] == 0.5


def test_a_cell_that_is_no_number_is_missing_and_no_more(folder):
    before = folder.text("before.csv", "x\n" + "1.5\n2.5\n" * 1000)
    after = folder.text("after.csv", "x\n" + "1.5\n2.5\n" * 1000 + "oops\n")

    outcome = folder.compare(before, after)

    assert outcome.status == 0
    assert outcome.features["x"]["kind"] == "numeric"
    assert outcome.features["x"]["missing_current"] == pytest.approx(1 / 2001)


def test_codes_that_one_csv_takes_for_numbers_stay_the_codes_they_are(folder):
    before = folder.text("before.csv", "code\n" + "01\n02\nA1\n" * 300)
    after = folder.text("after.csv", "code\n" + "01\n02\n" * 400)

    outcome = folder.compare(before, after)

    assert outcome.features["code"]["unseen_share"] == 0


def test_column_names_with_dots_are_columns_of_their_own(folder):
    columns = {"a.b": normal(300), "a": pa.array([{"b": 1}] * 300), "c": normal(300)}
    path = folder.parquet("dots", columns)

    outcome = folder.compare(path, path)

    assert set(outcome.features) == {"a.b", "c"}
    assert outcome.document["skipped"].keys() == {"a"}


def test_a_column_without_a_value_in_the_reference_goes_by_the_other_file(folder):
    before = folder.parquet("before", {"x": pa.nulls(300), "none": pa.nulls(300)})
    after = folder.parquet("after", {"x": ["a", "b"] * 150, "none": pa.nulls(300)})

    outcome = folder.compare(before, after)

    assert outcome.features["x"]["kind"] == "categorical"
    assert "MISSING_RATE" in outcome.features["x"]["note"]
    assert outcome.features["none"]["status"] == "UNKNOWN"


def test_a_column_with_a_name_of_the_report_is_skipped(folder):
    path = folder.parquet("one", {"__prediction__": normal(300), "y": normal(300)})

    outcome = folder.compare(path, path)

    assert outcome.document["skipped"].keys() == {"__prediction__"}
    assert set(outcome.features) == {"y"}


def test_hostile_names_are_shown_harmless_on_the_terminal(folder):
    names = ["[red]x[/red]", "\x1b[31mred", "a\nb", "\u202etxt", "q" * 500]
    path = folder.parquet("one", {name: normal(300) for name in names})

    outcome = folder.compare(path, path)

    assert set(outcome.features) == set(names)
    assert "[red]x[/red]" in outcome.stdout
    assert "\\x1b[31mred" in outcome.stdout
    assert "\x1b[31m" not in outcome.stdout
    assert "\u202e" not in outcome.stdout
    assert "q" * 100 not in outcome.stdout
