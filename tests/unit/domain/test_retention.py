"""How long audit rows are kept at least, and whose rows have which class."""

import pytest

from shared.domain.retention import CLASSES, REGULATED, STANDARD, retention_of
from shared.domain.tables import PROMOTION_AUDIT
from tests.fakes.samples import MODEL, catalogue_of, model_document

FAIR = {"performance": {"floor": 0.5}, "fairness": {"attributes": ["gender"]}}


def test_seven_years_and_one_are_what_the_house_rules_ask_for():
    assert {each.name: each.days for each in CLASSES} == {"ai-decision": 2555, "standard": 365}


@pytest.mark.parametrize(("regulated", "kept"), [(True, REGULATED), (False, STANDARD)])
def test_a_model_s_rows_are_kept_as_long_as_its_kind_asks(regulated, kept):
    catalogue = catalogue_of(model_document(regulated=regulated, gates=FAIR))

    assert retention_of(catalogue, MODEL) is kept


@pytest.mark.parametrize("chain", ["unrouted.alerts", "audit.checks", "model-of-last-year"])
def test_what_may_concern_a_regulated_model_is_kept_longest(chain):
    assert retention_of(catalogue_of(), chain) is REGULATED
    assert max(CLASSES, key=lambda each: each.days) is REGULATED


def test_the_table_s_page_names_classes_and_days():
    column = PROMOTION_AUDIT.column("retention_class")

    assert column is not None
    assert all(f"`{each.name}` {each.days} days" in column.meaning for each in CLASSES)
