"""Rows reach the log now or with a later check; the table they lie in is their only copy."""

from datetime import timedelta

import pytest

from shared.errors import Unavailable
from shared.handlers.publish_rows import METRICS_TABLE, SENT, RowLog
from tests.fakes.clock import START
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.marks import FakeMarks
from tests.fakes.samples import MODEL
from tests.fakes.sink import FakeSink
from tests.fakes.tables import FakeTables

DAY = timedelta(days=1)


@pytest.fixture
def rows():
    return RowLog(FakeTables(), FakeSink(), FakeMarks())


def row(at, metric="PSI", model=MODEL):
    named = {"model_name": model, "model_version": "1", "feature_name": "x", "metric_type": metric}
    verdict = {"status": "STABLE", "severity": "HEALTHY"}
    days = {"reference_days": 90, "current_days": 7}
    return {"run_id": f"check-{at:%d}", "run_timestamp": at, **named, **verdict, **days}


def check(rows, at=START, model=MODEL):
    """What a check does: the table first, then the log."""
    held = rows.begin(model, at)
    found = [row(at, "PSI", model), row(at, "KS", model)]
    writer, batch = f"drift:{model}:1", int(at.timestamp())
    new = rows.tables.append(METRICS_TABLE, found, writer=writer, batch=batch)
    rows.publish(model, at, found if new else [], held=held or not new)


def sent(rows):
    return [(each["run_id"], each["metric_type"]) for each in rows.metrics.rows]


def of(*days):
    return [(f"check-{day:02d}", metric) for day in days for metric in ("PSI", "KS")]


def test_a_check_sends_its_rows_and_reads_no_table(rows):
    rows.tables.read = None

    check(rows)
    check(rows, START + DAY)

    assert sent(rows) == of(1, 2)


def test_what_could_not_be_sent_goes_with_the_next_check_oldest_first(rows):
    check(rows)
    rows.metrics.faults.order(Unavailable("ingestion: 503"))
    with pytest.raises(Unavailable):
        check(rows, START + DAY)

    check(rows, START + 2 * DAY)

    assert sent(rows) == of(1, 2, 3)


def test_a_check_that_is_done_again_sends_what_the_table_has(rows):
    rows.metrics.faults.order(Unavailable("ingestion: 503"))
    with pytest.raises(Unavailable):
        check(rows)

    check(rows)

    assert sent(rows) == of(1)


def test_a_check_that_is_done_again_after_all_was_sent_sends_nothing(rows):
    check(rows)

    check(rows)

    assert sent(rows) == of(1)


def test_rows_older_than_the_log_takes_as_they_are_stay_in_the_table(rows):
    check(rows)
    for step in (1, 2, 3):
        rows.metrics.faults.order(Unavailable("ingestion: 503"))
        with pytest.raises(Unavailable):
            check(rows, START + step * DAY)

    check(rows, START + 4 * DAY)

    assert sent(rows) == of(1, 3, 4, 5)
    assert len(rows.tables.read(METRICS_TABLE)) == 10


def test_what_was_written_before_there_were_marks_is_not_sent(rows):
    early = START - DAY
    rows.tables.append(METRICS_TABLE, [row(early)], writer=f"drift:{MODEL}:1", batch=1)
    rows.metrics.faults.order(Unavailable("ingestion: 503"))
    with pytest.raises(Unavailable):
        check(rows)

    check(rows, START + DAY)

    assert sent(rows) == of(1, 2)


def test_an_upload_whose_answer_was_lost_may_arrive_twice_and_never_not_at_all(rows):
    rows.metrics.faults.order(Unavailable("no answer"), done=True)
    with pytest.raises(Unavailable):
        check(rows)

    check(rows, START + DAY)

    assert sent(rows) == of(1, 1, 2)


def test_models_owe_their_own_rows(rows):
    rows.metrics.faults.order(Unavailable("ingestion: 503"))
    with pytest.raises(Unavailable):
        check(rows)

    check(rows, model="flight-cancel")

    assert {each["model_name"] for each in rows.metrics.rows} == {"flight-cancel"}
    assert rows.marks.get(SENT, MODEL) < rows.marks.get(SENT, "flight-cancel")


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("number", range(1, 9))
def test_wherever_a_check_is_killed_its_rows_arrive_once_it_is_done_again(number, after):
    fuse = Fuse(number, error=Killed, after=after)
    whole = RowLog(FakeTables(), FakeSink(), FakeMarks())
    ports = {name: fuse.tap(name, port) for name, port in vars(whole).items()}
    check(whole)

    try:
        check(RowLog(**ports), START + DAY)
    except Killed:
        check(whole, START + DAY)
    check(whole, START + 2 * DAY)

    assert sorted(set(sent(whole))) == sorted(of(1, 2, 3))
    assert len(whole.tables.read(METRICS_TABLE)) == 6
