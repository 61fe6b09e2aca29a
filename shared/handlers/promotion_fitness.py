"""Whether a version may become the champion when its turn has come.

What may go in here: questions to the registry and to the version itself. Nothing is changed.
"""

from dataclasses import dataclass

from shared.catalogue import Model
from shared.domain.run import Purpose, Run
from shared.errors import DataError, NoChampion, NotFound
from shared.ports import Clock, Registry, Scorer, Windows

TRIAL_ROWS = 100
"""Rows that a version without a judgement of today must answer before it may serve. House rule."""


@dataclass(frozen=True)
class Fitness:
    """Looks at a version once more before it serves."""

    registry: Registry
    windows: Windows
    scorer: Scorer
    clock: Clock

    def champion(self, model: str) -> str:
        """Give the version that serves; empty where the registry says that none does."""
        try:
            return self.registry.champion(model).version
        except NoChampion:
            return ""

    def fault(self, model: Model, run: Run, serving: str) -> str:
        """Say why the version may not become the champion, or nothing."""
        match run.purpose:
            case Purpose.PROMOTION:
                # the role last: who was turned down has lost it, and keeps the reason when a
                # worker died before the run ended
                return _other_champion(run, serving) or self._other_challenger(run)
            case Purpose.ROLLBACK:
                before = self.registry.previous(run.model)
                if before is None or before.version != run.version:
                    return f"version {run.version} is not the champion before this one"
            case Purpose.BOOTSTRAP:
                if serving:
                    return f"version {serving} is the champion already"
        return self._trial(model, run)

    def _other_challenger(self, run: Run) -> str:
        """Say who else has the challenger's role, or nothing."""
        role = self.registry.challenger(run.model)
        if role is not None and role.version == run.version:
            return ""
        now = f"version {role.version} is" if role else "nobody is"
        return f"version {run.version} is not the challenger any more, {now}"

    def _trial(self, model: Model, run: Run) -> str:
        """Have the version load and answer; give why it may not serve, or nothing."""
        try:
            version = self.registry.version(run.model, run.version)
            rows = self.windows.holdout(model, self.clock.now()).features
            answers = self.scorer.score(version, rows[-TRIAL_ROWS:]).predictions
        except (NotFound, DataError) as error:
            return f"version {run.version} does not answer: {error}"
        bad = sum(1 for value in answers.tolist() if value - value != 0)
        return f"{bad} of {len(answers)} answers are not finite numbers" if bad else ""


def _other_champion(run: Run, serving: str) -> str:
    """Say that the champion is not the one whom the challenger has beaten, or nothing."""
    beaten = str(run.facts.get("grounds", {}).get("champion_version", ""))
    if not beaten or beaten == serving:
        return ""
    return f"it has beaten version {beaten}, and version {serving or 'none'} serves now"
