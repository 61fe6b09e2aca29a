"""How fast the drift engine is beside what people write today, measured in one run.

``python bench/drift.py`` prints the table; ``--check`` ends with 1 if a target is missed;
``--peers TOOL=PYTHON ...`` adds tools from environments of their own (``make bench-peers``).
Times are processor seconds. Ratios are what to read: all is measured in turns on one machine.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import workloads  # noqa: E402 - found only now
from workloads import LARGE, SMALL, TEXTS, Size  # noqa: E402

from shared.domain.drift import significance, statistics  # noqa: E402
from shared.domain.drift.columns import Scratch  # noqa: E402
from shared.domain.drift.features import numeric_measures  # noqa: E402
from shared.domain.drift.profile import (  # noqa: E402
    NumericProfile,
    reference_categorical,
    reference_numeric,
)
from shared.domain.drift.verdict import judge  # noqa: E402
from shared.sections.drift import DriftSettings  # noqa: E402

SETTINGS = DriftSettings()
EPSILON = SETTINGS.epsilon
Columns = Mapping[str, Any]
SMALL_REPEATS = 300
PEER_TARGETS = {"evidently": 40}
"""How many times as fast the engine should be, with nothing stored."""
CLEAR_PEAK = "5"
"""Written to /proc/self/clear_refs it makes the peak start anew. Source: proc(5)."""


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, and the target it has, if any."""

    what: str
    figure: str
    ratio: str = ""
    target: str = ""
    met: bool = True


# --- what is compared ----------------------------------------------------------------------


def naive_loop(reference: Columns, current: Columns) -> dict[str, tuple[float, float, float]]:
    """Compute PSI and KS as the usual few lines of numpy and scipy do; PSI, D and its p-value."""
    from scipy import stats

    found = {}
    for name in reference:
        one = reference[name][~np.isnan(reference[name])]
        two = current[name][~np.isnan(current[name])]
        edges = np.unique(np.quantile(one, np.linspace(0, 1, SETTINGS.bins + 1)))
        edges[0], edges[-1] = -np.inf, np.inf
        p = np.maximum(np.histogram(one, edges)[0] / len(one), EPSILON)
        q = np.maximum(np.histogram(two, edges)[0] / len(two), EPSILON)
        ks = stats.ks_2samp(one, two)
        found[name] = float(((q - p) * np.log(q / p)).sum()), float(ks.statistic), float(ks.pvalue)
    return found


def profiles(reference: Columns) -> dict[str, NumericProfile]:
    scratch = Scratch()
    return {
        name: reference_numeric(column, SETTINGS.bins, scratch)
        for name, column in reference.items()
    }


def with_profiles(before: Mapping[str, NumericProfile], current: Columns) -> Any:
    """Judge everything a check judges of numeric inputs: nine measures a column, not two."""
    scratch = Scratch()
    measures = [
        measure
        for name, profile in before.items()
        for measure in numeric_measures(name, profile, profile.on(current[name], scratch), SETTINGS)
    ]
    return judge(measures, SETTINGS)


def psi_and_ks(reference: Columns, current: Columns) -> dict[str, tuple[float, float, float]]:
    """Compute what the naive loop computes, and no more."""
    found, scratch = {}, Scratch()
    for name, before in profiles(reference).items():
        after = before.on(current[name], scratch)
        distance = statistics.kolmogorov_smirnov(before, after).value
        value = statistics.psi(before.bins(), after.bins(), EPSILON)
        p_value = significance.ks_p(distance, before.finite, after.finite)
        found[name] = value, distance, p_value
    return found


# --- measuring -----------------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    """Give the processor time: all that is compared here keeps to one thread."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turns(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each work once a round, so that a noisy minute meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Give the median of the rounds' ratios."""
    return median(one / two for one, two in zip(times[slow], times[fast], strict=True))


def arrow(columns: Columns) -> dict[str, Any]:
    """Give numpy columns as Arrow columns, without a copy."""
    return {name: pa.chunked_array([pa.array(column)]) for name, column in columns.items()}


# --- the lines -----------------------------------------------------------------------------


def large_lines(size: Size, rounds: int, peers: Mapping[str, str]) -> list[Line]:
    reference, current = workloads.numeric(size)
    one, two = arrow(reference), arrow(current)
    stored = profiles(one)
    works = {
        "naive": lambda: naive_loop(reference, current),
        "cold": lambda: with_profiles(profiles(one), two),
        "warm": lambda: with_profiles(stored, two),
    }
    times = in_turns(works, rounds)
    cold, warm = ratio(times, "naive", "cold"), ratio(times, "naive", "warm")
    gap = largest_gap(naive_loop(reference, current), psi_and_ks(one, two))
    what = f"{size.reference:,} against {size.current:,} rows, {size.columns} columns"
    return [
        Line(f"{what}: numpy and scipy loop", spent(times["naive"]), "1"),
        Line("the engine, nothing stored", spent(times["cold"]), f"{cold:.1f}", "8", cold >= 8),
        Line("with a stored reference", spent(times["warm"]), f"{warm:.1f}", "50", warm >= 50),
        Line("largest difference of a PSI; of a KS D", f"{gap[0]:.1g}; {gap[1]:.1g}"),
        *peer_lines(peers, works["cold"], rounds),
    ]


def largest_gap(exact: Columns, found: Columns) -> tuple[float, float]:
    pairs = [(exact[name], found[name]) for name in exact]
    return max(abs(a[0] - b[0]) for a, b in pairs), max(abs(a[1] - b[1]) for a, b in pairs)


def peer_lines(peers: Mapping[str, str], engine: Callable[[], object], rounds: int) -> list[Line]:
    """Run each tool in its environment, and the engine with nothing stored before and after it."""
    lines = []
    for tool, python in peers.items():
        ours = [seconds(engine) for _ in range(rounds)]
        command = [python, str(HERE / "peers.py"), tool]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        ours += [seconds(engine) for _ in range(rounds)]
        times = told["seconds"] / median(ours)
        target = PEER_TARGETS.get(tool)
        lines.append(
            Line(
                f"{told['what']} (the engine, nothing stored, is as many times as fast)",
                f"{told['seconds']:.2f} s",
                f"{times:.1f}",
                str(target or ""),
                target is None or times >= target,
            )
        )
    return lines


def small_lines() -> list[Line]:
    reference, current = workloads.numeric(SMALL)
    works = {
        "naive": lambda: naive_loop(reference, current),
        "same": lambda: psi_and_ks(reference, current),
        "all": lambda: with_profiles(profiles(reference), current),
    }
    times = in_turns(works, SMALL_REPEATS)
    least = {name: 1000 * median(found) for name, found in times.items()}
    what = f"{SMALL.reference} against {SMALL.current} rows, {SMALL.columns} columns"
    return [
        Line(f"{what}: numpy and scipy loop", f"{least['naive']:.2f} ms", "1"),
        small_line("the engine, PSI and KS", times, "same", met=least["same"] < 2),
        small_line("all measures and the verdict", times, "all"),
    ]


def small_line(
    what: str, times: Mapping[str, list[float]], name: str, *, met: bool | None = None
) -> Line:
    figure = f"{1000 * median(times[name]):.2f} ms"
    times_faster = f"{ratio(times, 'naive', name):.1f}"
    return Line(what, figure, times_faster, "" if met is None else "2 ms", met is not False)


def category_lines(rounds: int) -> list[Line]:
    import pandas as pd

    codes = workloads.codes(TEXTS)
    names = np.array(workloads.level_names(), dtype=object)
    texts = [
        [pd.Series(names[column], dtype="object") for column in side.values()] for side in codes
    ]
    strings = [[column.astype("str") for column in side] for side in texts]
    coded = [[column.astype("category") for column in side] for side in texts]
    one, two = (
        [
            pa.DictionaryArray.from_arrays(pa.array(column), pa.array(names))
            for column in side.values()
        ]
        for side in codes
    )
    works = {
        "objects": lambda: counted(texts),
        "strings": lambda: counted(strings),
        "codes": lambda: counted(coded),
        "engine": lambda: [
            reference_categorical(before).on(after) for before, after in zip(one, two, strict=True)
        ],
    }
    times = in_turns(works, rounds)
    best = ratio(times, "strings", "engine")
    rows = TEXTS.reference + TEXTS.current
    return [
        Line(f"{TEXTS.columns} text columns, {rows:,} rows: value_counts of objects",
             spent(times["objects"]), "1"),
        category_line("value_counts of pandas' str", times, "strings"),
        category_line("value_counts of pandas' category", times, "codes"),
        Line("the engine, Arrow dictionaries", spent(times["engine"]),
             f"{ratio(times, 'objects', 'engine'):.1f}", "4 times as fast as str", best >= 4),
    ]  # fmt: skip


def category_line(what: str, times: Mapping[str, list[float]], name: str) -> Line:
    return Line(what, spent(times[name]), f"{ratio(times, 'objects', name):.1f}")


def counted(sides: list[list[Any]]) -> list[Any]:
    return [column.value_counts() for side in sides for column in side]


def spent(times: list[float]) -> str:
    return f"{median(times):.3f} s"


# --- memory --------------------------------------------------------------------------------


def memory_lines() -> list[Line]:
    if not Path("/proc/self/clear_refs").exists():
        return [Line("peak memory over the data", "measured on Linux only")]
    command = [sys.executable, __file__, "--memory"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = float(done.stdout)
    return [Line("peak memory over the data", f"{peak:.0f} MB", "", "64 MB", peak < 64)]


def peak_over_data(size: Size) -> float:
    """Give how far the resident memory rises over that of the loaded data, in MB."""
    reference, current = workloads.numeric(size)
    one, two = arrow(reference), arrow(current)
    Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    before = resident("VmRSS")
    with_profiles(profiles(one), two)
    return resident("VmHWM") - before


def resident(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


# --- the table -----------------------------------------------------------------------------


def show(lines: list[Line]) -> None:
    print(f"numpy {np.__version__}, Python {platform.python_version()}, {processor()}")
    print("\n| | time | times as fast | target | |\n|---|---|---|---|---|")
    for line in lines:
        verdict = ("met" if line.met else "MISSED") if line.target else ""
        print(f"| {line.what} | {line.figure} | {line.ratio} | {line.target} | {verdict} |")


def processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="end with 1 if a target is missed")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each figure")
    parser.add_argument("--peers", nargs="*", default=[], metavar="TOOL=PYTHON")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        print(peak_over_data(LARGE))
        return 0
    peers = dict(entry.split("=", 1) for entry in asked.peers)
    lines = [
        *large_lines(LARGE, asked.rounds, peers),
        *memory_lines(),
        *small_lines(),
        *category_lines(asked.rounds),
    ]
    show(lines)
    return int(asked.check and not all(line.met for line in lines))


if __name__ == "__main__":
    sys.exit(main())
