"""What a drift library needs for the same columns: ``python bench/peers.py TOOL``, in its own venv.

Prints one line of JSON: what was measured, with the versions, and the seconds it took, without
loading data or importing. The columns are those of ``bench/drift.py``.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import pandas as pd
import workloads
from workloads import LARGE


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> Callable[[], object]:
    """Run Report with PSI and KS of each column."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(numerical_columns=list(reference.columns))
    one, two = (Dataset.from_pandas(side, definition) for side in (reference, current))
    metrics = [
        ValueDrift(column=name, method=method)
        for name in reference.columns
        for method in ("psi", "ks")
    ]
    return lambda: Report(metrics).run(two, one).dict()


def nannyml(reference: pd.DataFrame, current: pd.DataFrame) -> Callable[[], object]:
    """Run the univariate calculator with KS and Jensen-Shannon of each column, one chunk."""
    from nannyml import UnivariateDriftCalculator

    def run() -> object:
        calculator = UnivariateDriftCalculator(
            column_names=list(reference.columns),
            continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
            chunk_size=len(current),
        )
        return calculator.fit(reference).calculate(current)

    return run


TOOLS = {
    "evidently": (evidently, "Evidently {}: Report, PSI and KS"),
    "nannyml": (nannyml, "NannyML {}: univariate, KS and Jensen-Shannon"),
}


def main() -> None:
    tool = sys.argv[1]
    prepare, text = TOOLS[tool]
    warnings.simplefilter("ignore")
    reference, current = (pd.DataFrame(side) for side in workloads.numeric(LARGE))
    work = prepare(reference, current)
    # the smaller: threads would add to the one, other processes to the other
    clocks = time.perf_counter, time.process_time
    starts = [clock() for clock in clocks]
    work()
    seconds = min(clock() - start for clock, start in zip(clocks, starts, strict=True))
    versions = f"{version(tool)} (pandas {version('pandas')}, numpy {version('numpy')})"
    print(json.dumps({"what": text.format(versions), "seconds": seconds}))


if __name__ == "__main__":
    main()
