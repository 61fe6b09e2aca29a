"""What any Marks does: the fake and Table storage behind Azurite give the same answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from uuid import uuid4

import pytest
from azure.data.tables import TableClient, TableServiceClient

from shared.adapters.storage.table_marks import TableMarks
from shared.errors import Unavailable
from shared.ports import Marks
from tests.fakes.marks import FakeMarks


@contextmanager
def azurite_marks(connection: str) -> Iterator[TableMarks]:
    name = f"t{uuid4().hex[:20]}"
    with TableServiceClient.from_connection_string(connection) as service:
        marks = TableMarks(TableClient.from_connection_string(connection, name))
        yield marks
        marks.close()
        service.delete_table(name)


@pytest.fixture(params=["fake", "azurite"])
def marks(request: pytest.FixtureRequest) -> Iterator[Marks]:
    if request.param == "fake":
        yield FakeMarks()
        return
    with azurite_marks(request.getfixturevalue("azurite_connection")) as real:
        yield real


def test_a_mark_that_was_never_set_is_zero(marks):
    assert marks.get("drift-done", "flight-delay") == 0
    assert marks.group("drift-done") == {}


def test_a_mark_moves_on_and_never_back(marks):
    assert marks.advance("drift-done", "flight-delay", 2**40)

    assert not marks.advance("drift-done", "flight-delay", 2**40)
    assert not marks.advance("drift-done", "flight-delay", 7)

    assert marks.get("drift-done", "flight-delay") == 2**40


def test_groups_and_names_are_apart(marks):
    marks.advance("drift-done", "flight-delay", 1)
    marks.advance("drift-done", "slot-revenue", 2)
    marks.advance("log-sent", "flight-delay", 3)

    assert marks.group("drift-done") == {"flight-delay": 1, "slot-revenue": 2}
    assert marks.group("log-sent") == {"flight-delay": 3}


def test_of_many_that_move_a_mark_at_once_the_furthest_stays(marks):
    together = Barrier(8)

    def move(value: int) -> bool:
        together.wait(10)
        return marks.advance("drift", "due", value)

    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(move, range(1, 9)))

    assert marks.get("drift", "due") == 8
    assert moved[-1]


def test_the_same_move_by_many_at_once_is_one_move(marks):
    together = Barrier(6)

    def move(_: int) -> bool:
        together.wait(10)
        return marks.advance("drift", "due", 5)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(move, range(6))) == [False] * 5 + [True]


def test_a_storage_that_does_not_answer_is_unavailable():
    nobody = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
        "TableEndpoint=http://127.0.0.1:1/a"
    )
    marks = TableMarks(TableClient.from_connection_string(nobody, "marks", retry_total=0))

    with pytest.raises(Unavailable):
        marks.get("drift", "due")
    marks.close()
