"""Slot machines before and after a floor is rearranged: the synthetic, seeded scenario."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from local.scenarios.base import Columns, Scenario, ScenarioSpec, Tables

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS_A_DAY = 200
_SEED = 11
_FIRST_DAY, _LAST_DAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC)
_REARRANGED_ON = datetime(2026, 4, 16, tzinfo=UTC)
_SPEC = ScenarioSpec(
    name="slot-revenue",
    title="Daily revenue of slot machines",
    model_name="casino-slot-revenue-forecast-gbt",
    experiment="casino-regression",
    notebook="train_slot_revenue.Notebook",
    pipeline="pl_retrain_slot_revenue.DataPipeline",
    champion_as_of=datetime(2026, 4, 2, 4, tzinfo=UTC),
    alarm_at=datetime(2026, 5, 1, 4, tzinfo=UTC),
    next_check_at=datetime(2026, 5, 8, 4, tzinfo=UTC),
    tables=Tables(
        facts="lh_gold/fact_daily_slot_revenue",
        holdout="lh_gold/slot_revenue_holdout",
        predictions="lh_gold/slot_revenue_forecasts",
        actuals="lh_gold/slot_revenue_actuals",
    ),
    columns=Columns(
        id="record_id",
        timestamp="txn_date",
        day="business_date",
        actual="daily_revenue",
        actual_at="revenue_known_at",
        prediction="predicted_revenue",
        numeric=(
            "coin_in",
            "coin_out",
            "handle_pulls",
            "avg_bet",
            "session_minutes",
            "payout_ratio",
            "unique_players",
        ),
        categorical=("game_theme", "denomination_tier", "floor_zone"),
    ),
)


@dataclass(frozen=True)
class Regime:
    """The distributions play follows: means and rates, and the shares of the categories."""

    coin_in: float
    coin_out: float
    handle_pulls: float
    avg_bet_scale: float
    session_minutes: float
    payout_ratio: float
    unique_players: float
    game_theme: tuple[float, float, float, float]
    denomination_tier: tuple[float, float, float, float, float]


_THEMES = ("video", "classic", "progressive", "skill")
_TIERS = ("penny", "nickel", "quarter", "dollar", "high_limit")
_ZONES, _ZONE_SHARES = ("main", "non_smoking", "high_limit", "vip"), (0.55, 0.20, 0.15, 0.10)
BEFORE = Regime(
    1000, 900, 800, 1.2, 35, 0.90, 10, (0.45, 0.30, 0.15, 0.10), (0.45, 0.20, 0.20, 0.10, 0.05)
)
AFTER = Regime(
    1300, 1200, 950, 1.45, 28, 0.93, 12, (0.55, 0.20, 0.15, 0.10), (0.30, 0.15, 0.20, 0.20, 0.15)
)


def draw(generator: "np.random.Generator", regime: Regime, n: int) -> "pd.DataFrame":
    """``n`` machine-days of play under the regime, with the revenue they made."""
    import pandas as pd

    played = pd.DataFrame(
        {
            "coin_in": generator.normal(regime.coin_in, 250, n).clip(0),
            "coin_out": generator.normal(regime.coin_out, 200, n).clip(0),
            "handle_pulls": generator.poisson(regime.handle_pulls, n).astype(float),
            "avg_bet": generator.gamma(2.0, regime.avg_bet_scale, n).clip(0.25),
            "session_minutes": generator.normal(regime.session_minutes, 8, n).clip(1),
            "payout_ratio": generator.normal(regime.payout_ratio, 0.03, n).clip(0.5, 1.0),
            "unique_players": generator.poisson(regime.unique_players, n).astype(float),
            "game_theme": generator.choice(_THEMES, n, p=regime.game_theme),
            "denomination_tier": generator.choice(_TIERS, n, p=regime.denomination_tier),
            "floor_zone": generator.choice(_ZONES, n, p=_ZONE_SHARES),
        }
    )
    win = played["coin_in"] * (1 - played["payout_ratio"]) + generator.normal(0, 30, n)
    return played.assign(daily_revenue=win.clip(lower=0))


@cache
def _play() -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    days = pd.date_range(_FIRST_DAY, _LAST_DAY, freq="D")
    before = int(days.searchsorted(pd.Timestamp(_REARRANGED_ON)))
    generator = np.random.default_rng(_SEED)
    rows = pd.concat(
        [
            draw(generator, BEFORE, before * ROWS_A_DAY),
            draw(generator, AFTER, (len(days) - before) * ROWS_A_DAY),
        ],
        ignore_index=True,
    )
    day, place = np.divmod(np.arange(len(rows)), ROWS_A_DAY)
    # Spread over the day, so that a window of n days holds n days' rows wherever it starts.
    rows["txn_date"] = (days[day] + pd.to_timedelta(place * 86_400 // ROWS_A_DAY, unit="s")).astype(
        "datetime64[us, UTC]"
    )
    rows["business_date"] = rows["txn_date"].dt.strftime("%Y-%m-%d")
    rows["revenue_known_at"] = rows["txn_date"] + _SPEC.label_lag
    rows["record_id"] = rows["business_date"] + "-" + pd.Series(place).astype(str).str.zfill(3)
    columns = _SPEC.columns
    named = [columns.id, columns.timestamp, columns.day, *columns.features]
    return rows[[*named, columns.actual, columns.actual_at]]


class SlotRevenueScenario(Scenario):
    """Synthetic data: every input shifts at once, what makes the revenue does not."""

    spec = _SPEC

    def source(self) -> "pd.DataFrame":
        return _play()


SLOT_REVENUE = SlotRevenueScenario()
