"""``loop drift --html``: one file that opens offline, safe with any text, readable by anyone."""

import base64
import hashlib
import re

import numpy as np
import pytest

from tests.browser import FAINT, Page, browser, needs_browser, opened
from tests.local.drift_command import CURRENT, REFERENCE, Folder, letters, normal

__all__ = ["browser", "opened"]  # fixtures, which pytest finds by name

ATTACK = "<img src=x onerror=\"document.title='taken'\">"
HOSTILE = (
    *(ATTACK, "</style><script>document.title='taken'</script>", "{{ 7 * 7 }}", "a'b\"c&amp;"),
    *("\x1b[31mred\x07", "\u202egnp.exe", "long " * 300, "   "),
)
BYTES_A_COLUMN = 2_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("golden"))
    outcome = ("--prediction", "predicted_revenue", "--actual", "daily_revenue")
    return folder.compare(REFERENCE, CURRENT, *outcome).page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("hostile"))
    shares = dict.fromkeys(HOSTILE, 1 / len(HOSTILE))
    before = {name: normal(600) for name in HOSTILE} | {"category": letters(600, shares)}
    strange = [f"{ATTACK}{place % 7}" for place in range(600)]
    after = {name: normal(600, 1.0) for name in HOSTILE} | {"category": strange}
    return folder.compare(folder.parquet("before", before), folder.parquet("after", after)).page


def test_the_page_needs_nothing_from_outside_and_runs_nothing(golden):
    page = Page(golden)

    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert all(link.startswith("#c") for link in links)
    assert not re.search(r"https?:|url\(|@import", golden)


def test_the_page_allows_its_own_style_and_nothing_else(golden):
    style = re.search(r"<style>(.*?)</style>", golden, re.DOTALL)[1]

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(Page(golden).attributes)
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy.values() or (
        f"style-src &#39;sha256-{digest}&#39;" in golden
    )
    assert "style" not in policy


def test_every_column_has_a_picture_and_the_worst_comes_first(golden):
    cards = re.findall(r'<article id="c\d+" class="(\w+)">\s*<h3>(.*?)</h3>', golden)

    assert len(cards) == 11
    assert golden.count('<path class="current"') == 8
    assert cards[0] == ("SEVERE", "handle_pulls")
    assert cards[-1] == ("NO_DRIFT", "floor_zone")


def test_hostile_names_and_categories_stay_text(hostile):
    page = Page(hostile)

    assert not {"script", "img"} & set(page.tags)
    assert "onerror" not in dict(page.attributes)
    assert "&lt;img src=x onerror=" in hostile
    assert "{{ 7 * 7 }}" in hostile
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert "long " * 100 not in hostile
    assert "<h3>&#39;   &#39;</h3>" in hostile


def test_a_page_of_a_thousand_columns_stays_small(folder):
    before = {f"column {place}": normal(150, seed=place) for place in range(1000)}
    after = {name: values + 0.6 for name, values in before.items()}

    outcome = folder.compare(folder.parquet("wide", before), folder.parquet("moved", after))

    assert outcome.page.count("<article") == 1000
    assert len(outcome.page.encode()) < 1000 * BYTES_A_COLUMN


def test_numbers_that_cannot_be_drawn_are_said_to_be(folder):
    values = {
        "huge": np.array([-1.7e308, 1.7e308] * 300),
        "tiny": np.array([0.0, 5e-324] * 300),
        "same": np.full(600, 7.0),
        "large": np.array([2**62, 2**62 + 1] * 300),
        "none": np.full(600, np.nan),
    }
    path = folder.parquet("odd", values)

    outcome = folder.compare(path, path)

    assert outcome.page.count("no value to draw") == 2
    assert outcome.page.count('<path class="current"') == 3
    assert not re.search(r'd="[^"]*(nan|inf)', outcome.page)


def test_outliers_do_not_flatten_a_picture_and_are_owned_up_to(folder):
    values = np.append(normal(4000), [1e9] * 8)
    path = folder.parquet("outliers", {"x": values})

    outcome = folder.compare(path, path)

    assert "outside the picture" in outcome.page
    assert "1,000,000,000" not in outcome.page.partition("<svg viewBox")[2]


def test_rare_categories_share_a_line_that_does_not_dwarf_the_others(folder):
    words = [f"word{place % 20}" for place in range(2000)]
    before = folder.parquet("before", {"c": words})
    after = folder.parquet("after", {"c": [*words[:1900], *["brand new"] * 100]})

    outcome = folder.compare(before, after)

    lines = re.findall(r'<text x="0"[^>]*>(.*?)</text>', outcome.page)
    widths = re.findall(r'<rect class="reference"[^>]* width="([\d.]+)"', outcome.page)
    assert len(lines) == 10
    assert lines[-2:] == ["12 others", "not seen before"]
    assert float(widths[-2]) == 0.0
    assert float(widths[0]) == 150.0


# --- in a browser ----------------------------------------------------------------------------


@needs_browser
def test_a_browser_shows_the_page_offline_without_a_complaint(opened, golden):
    page = opened(golden)

    assert page.get_by_role("heading", level=1).inner_text() == "Drift"
    assert page.get_by_role("img").count() == 12
    assert len(page.asked) == 1
    assert page.complaints == []


@needs_browser
def test_a_browser_runs_nothing_of_a_hostile_file(opened, hostile):
    page = opened(hostile)

    page.wait_for_timeout(200)

    assert page.title().startswith("Drift")
    assert len(page.asked) == 1
    assert page.complaints == []
    assert page.get_by_role("heading", name=ATTACK).count() == 1


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(opened, golden, scheme):
    page = opened(golden, color_scheme=scheme)

    faint = page.evaluate(FAINT)

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert faint == []
    assert (sum(int(part) for part in re.findall(r"\d+", ground)) > 380) is (scheme == "light")


@needs_browser
@pytest.mark.parametrize("width", [360, 900, 1600])
def test_nothing_sticks_out_of_a_narrow_or_a_wide_window(opened, golden, hostile, width):
    for text in (golden, hostile):
        page = opened(text, viewport={"width": width, "height": 800})

        wide = page.evaluate("document.documentElement.scrollWidth")

        assert wide <= width


@needs_browser
def test_the_table_leads_to_the_pictures_by_keyboard(opened, golden):
    page = opened(golden)

    page.get_by_role("link", name="avg_bet").focus()
    page.keyboard.press("Enter")

    assert page.locator("article:target h3").inner_text() == "avg_bet"
    names = page.get_by_role("img").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label'))"
    )
    assert all(names)
    assert page.locator("[role=region]:not([tabindex])").count() == 0
