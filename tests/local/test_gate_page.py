"""A judgement's page: one file that opens offline, true to the JSON, safe with any text."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.gate_page import HtmlGatePage
from shared.adapters.gate_page.gauge import WIDTH, gauge
from shared.adapters.gate_page.page import apart
from shared.adapters.gate_page.plots import across
from shared.adapters.wording import NONE
from shared.domain.gates.result import GateResult, Verdict
from tests.browser import FAINT, Page, browser, needs_browser, opened
from tests.fakes.gate_page import FakeGatePage
from tests.local.judgements import ROWS, judgement

__all__ = ["browser", "opened"]  # fixtures, which pytest finds by name

ATTACK = "<img src=x onerror=\"document.title='taken'\">"
HOSTILE = (ATTACK, "</style><script>document.title='taken'</script>", "{{ 7 * 7 }}", "\x1b[31m", "")


@pytest.fixture(scope="module")
def regression():
    return judgement()


@pytest.fixture(scope="module")
def classification():
    return judgement("classification")


@pytest.fixture(scope="module")
def hostile():
    """Names, reasons and details as an attacker who trains models might choose them."""
    found = judgement(
        attributes={"carrier": np.resize(np.array(HOSTILE), ROWS)},
        slices={"origin": np.resize(np.array(HOSTILE), ROWS)},
        importances=dict.fromkeys(HOSTILE, 0.1),
        no_champion_reason=ATTACK,
        model={"description": ATTACK * 3, "owner": HOSTILE[1]},
    )
    texts = {ATTACK: ATTACK, "long": "word " * 3000, "unbroken": "x" * 3000, "none": float("nan")}
    spoiled = replace(found.results[0], reason=HOSTILE[1], hint=ATTACK * 30, details=texts)
    judged = replace(found.judged, champion_version=ATTACK)
    return replace(found, results=(spoiled, *found.results[1:]), judged=judged)


def page_of(found):
    return HtmlGatePage().render(found).decode()


class Figures(HTMLParser):
    """The machine-readable figures of a page, in their order."""

    def __init__(self, text):
        super().__init__()
        self.values = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "data":
            self.values.append(float(dict(attrs)["value"]))


@pytest.mark.parametrize("page", [HtmlGatePage(), FakeGatePage()], ids=["html", "fake"])
def test_any_page_names_what_was_judged_and_is_the_same_again(page, regression):
    text = page.render(regression).decode()

    assert regression.judged.model_name in text
    assert regression.judged.model_version in text
    assert page.render(regression).decode() == text


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_page_s_figures_are_the_json_s(task, request):
    found = request.getfixturevalue(task)

    shown = Figures(page_of(found)).values

    assert json.loads(found.content) == found.document
    gates = found.document["gates"]
    values = [gate["value"] for gate in gates if gate["value"] is not None]
    details = [
        figure
        for gate in gates
        for figure in gate["details"].values()
        if isinstance(figure, int | float)
    ]
    assert len(values) > 5
    assert shown == values + details


def test_every_gate_s_verdict_threshold_reason_hint_and_rule_is_on_the_page(regression):
    failing = replace(regression.results[-1], verdict=Verdict.FAIL, hint="make it smaller")
    found = replace(regression, results=(*regression.results[:-1], failing))

    text = page_of(found)

    rows = text.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr ")[1:]
    assert len(rows) == len(found.results)
    for row, result in zip(rows, found.results, strict=True):
        assert f">{result.gate}</th>" in row
        assert f'<span class="badge">{result.verdict}</span>' in row
        assert result.source.replace(">", "&gt;") in row
        assert f">{result.n:,}<" in row
    assert "What to do: make it smaller" in rows[-1]


def test_the_json_s_hash_stands_on_the_page(regression):
    assert hashlib.sha256(regression.content).hexdigest() in page_of(regression)


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        (Verdict.PASS, "Passed"),
        (Verdict.FAIL, "Failed"),
        (Verdict.ERROR, "Not judged"),
        (Verdict.SKIP, "Not judged"),
    ],
)
def test_the_verdict_is_decided_by_the_gates_and_stands_at_the_top(regression, changed, title):
    passed = [replace(each, verdict=Verdict.PASS) for each in regression.results]
    last = replace(passed[-1], verdict=changed, source="nobody allowed it")

    text = page_of(replace(regression, results=(*passed[:-1], last)))

    assert f"<h1>{title}</h1>" in text
    assert f"<title>{title}: " in text


def test_gates_that_say_the_same_share_an_entry(regression):
    found = judgement(candidate=np.empty(0), candidate_fault="version 12 crashed")

    why = page_of(found).partition("<h2>Why</h2>")[2].partition("</ul>")[0]

    assert why.count("version 12 crashed") == 1
    assert "performance, holdout" in why


def test_a_candidate_that_could_not_be_scored_has_a_page_without_pictures():
    text = page_of(
        judgement(candidate=np.empty(0), candidate_fault="it crashed", latencies_ms=np.empty(0))
    )

    assert "<h2>Pictures</h2>" not in text
    assert "it crashed" in text


def test_without_a_champion_the_page_says_why():
    text = page_of(judgement(champion=None, no_champion_reason="no version is the champion"))

    assert "no version is the champion" in text


@pytest.mark.parametrize(
    ("task", "titles"),
    [
        (
            "regression",
            ["Errors", "Errors over the prediction", "Reliability", "Latency of single rows"],
        ),
        ("classification", ["ROC", "Reliability", "Latency of single rows"]),
    ],
)
def test_the_pictures_go_by_the_task(task, titles, request):
    text = page_of(request.getfixturevalue(task))

    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == titles
    assert not re.search(r' d="[^"]*(nan|inf)', text)


def test_answers_that_cannot_be_drawn_leave_a_page():
    huge = np.resize(np.array([1e308, -1e308, np.nan, np.inf]), ROWS)

    text = page_of(judgement(candidate=huge))

    assert "<h1>" in text
    assert not re.search(r' d="[^"]*(nan|inf)', text)


def test_the_page_needs_nothing_from_outside_and_runs_nothing(regression):
    text = page_of(regression)
    page = Page(text)

    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    assert not {"script", "link", "iframe", "img", "object", "a"} & set(page.tags)
    assert not {"src", "href", "style"} & {name for name, _ in page.attributes}
    assert not re.search(r"https?:|url\(|@import", text)
    assert ("content", policy) in page.attributes


def test_hostile_texts_stay_text(hostile):
    text = page_of(hostile)
    page = Page(text)

    assert not {"script", "img"} & set(page.tags)
    assert "onerror" not in dict(page.attributes)
    assert "&lt;img src=x onerror=" in text
    assert "{{ 7 * 7 }}" in text
    assert "\x1b" not in text
    assert "word " * 300 not in text


def test_a_page_of_many_groups_and_features_stays_small():
    names = np.array([f"group {place}" for place in range(ROWS // 2)])
    features = {f"feature {place}": place / 1e3 for place in range(1000)}

    text = page_of(judgement(attributes={"carrier": np.resize(names, ROWS)}, importances=features))

    assert "570 smaller groups are not listed" in text
    assert text.count("feature ") < 100
    assert len(text) < 150_000


def test_figures_that_four_digits_would_make_equal_are_told_apart():
    assert apart(0.79999, 0.8) == ("0.79999", "0.8")
    assert apart(0.8123456, 0.8) == ("0.8123", "0.8")
    assert apart(None, 0.8) == (NONE, "0.8")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.sampled_from([">=", "<=", "<"]))
def test_a_gauge_keeps_its_marks_in_order_and_in_the_picture(value, threshold, low, high, operator):
    low, high = sorted((low, high))
    details = {"low": low, "high": high}
    result = GateResult(
        "g", Verdict.PASS, value, threshold, operator, 1, "", "", "", details=details
    )

    found = gauge(result)

    marks = [found.value, found.threshold, *found.interval]
    assert all(0 <= mark <= WIDTH for mark in marks)
    assert found.interval[0] <= found.interval[1]
    assert (value < threshold) <= (found.value <= found.threshold)
    assert found.threshold in found.allowed


@given(NUMBERS, NUMBERS)
def test_an_axis_has_few_ticks_all_within_it(one, other):
    low, high = sorted((one / 4, other / 4))

    axis = across(low, high)

    assert len(axis.ticks) <= 10
    assert all(axis.start - 0.1 <= at <= axis.end + 0.1 for at, _ in axis.ticks)


# --- in a browser ----------------------------------------------------------------------------


@needs_browser
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_browser_shows_the_page_offline_without_a_complaint(opened, task, request):
    found = request.getfixturevalue(task)

    page = opened(page_of(found))

    assert page.get_by_role("heading", level=1).inner_text() == "Not judged"
    assert page.locator("figure svg").count() == (4 if task == "regression" else 3)
    assert page.locator("table.gates tbody tr").count() == len(found.results)
    assert len(page.asked) == 1
    assert page.complaints == []


@needs_browser
def test_a_browser_runs_nothing_of_a_hostile_judgement(opened, hostile):
    page = opened(page_of(hostile))

    page.wait_for_timeout(200)

    assert page.title().startswith("Not judged")
    assert len(page.asked) == 1
    assert page.complaints == []


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(opened, regression, scheme):
    page = opened(page_of(regression), color_scheme=scheme)

    faint = page.evaluate(FAINT)

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert faint == []
    assert (sum(int(part) for part in re.findall(r"\d+", ground)) > 380) is (scheme == "light")


@needs_browser
@pytest.mark.parametrize("width", [360, 900, 1600])
def test_nothing_sticks_out_of_a_narrow_or_a_wide_window(opened, regression, hostile, width):
    for found in (regression, hostile):
        page = opened(page_of(found), viewport={"width": width, "height": 800})

        assert page.evaluate("document.documentElement.scrollWidth") <= width


@needs_browser
def test_on_paper_the_page_is_light_and_its_tables_are_whole(opened, regression):
    page = opened(page_of(regression), color_scheme="dark", viewport={"width": 703, "height": 1000})

    page.emulate_media(media="print")

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    # 703 pixels are the width of A4 within its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert ground == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []


@needs_browser
def test_every_picture_has_words_and_every_scrolled_region_is_reached_by_keyboard(
    opened, regression
):
    page = opened(page_of(regression))

    names = page.get_by_role("img").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label'))"
    )

    assert all(names)
    assert page.locator("[role=region]:not([tabindex])").count() == 0
