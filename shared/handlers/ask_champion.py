"""An operator names the champion: the first one, or the one before it again."""

from dataclasses import dataclass

from shared.catalogue import Catalogue
from shared.domain.actor import Actor
from shared.domain.run import Purpose, Run
from shared.errors import IllegalTransition, NoChampion, NotAllowed
from shared.handlers.promotion_start import find_promotion, new_promotion
from shared.handlers.request_retrain import find_model
from shared.handlers.steps import Steps
from shared.ports import Registry


@dataclass(frozen=True)
class AskChampion:
    """Begins rollbacks and bootstraps; the queue carries them out.

    Attributes:
        role: the app role that whoever asks must have; empty: nobody can prove one, and the
            function key is enough.
    """

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    role: str = ""

    def roll_back(self, model_name: str, reason: str, actor: Actor, key: str) -> Run:
        """Begin to bring the previous champion back; the same key again is the same rollback.

        Raises:
            NotAllowed: who asks has not proven the role.
            NotFound: the model is not in the catalogue.
            IllegalTransition: there is no champion before this one.
            Unavailable: registry or storage did not answer.
        """
        self._require_right(actor)
        model = find_model(self.catalogue, model_name)
        begun = find_promotion(self.steps, model, Purpose.ROLLBACK, key)
        if begun is not None:
            return begun
        before = self.registry.previous(model.name)
        if before is None:
            message = f"{model.name}: there is no champion before this one"
            raise IllegalTransition(message, subject=model.name)
        return new_promotion(
            self.steps, model, version=before.version, purpose=Purpose.ROLLBACK,
            key=key, reason=reason, actor=actor,
        )  # fmt: skip

    def bootstrap(self, model_name: str, version: str, reason: str, actor: Actor, key: str) -> Run:
        """Begin to make the first champion; the same key again is the same bootstrap.

        Raises:
            NotAllowed: who asks has not proven the role.
            NotFound: the model is not in the catalogue, or has no such version.
            IllegalTransition: it has a champion, or the key was used for another version.
            Unavailable: registry or storage did not answer.
        """
        self._require_right(actor)
        model = find_model(self.catalogue, model_name)
        begun = find_promotion(self.steps, model, Purpose.BOOTSTRAP, key)
        if begun is not None:
            return _same(begun, version)
        found = self.registry.version(model.name, version)
        try:
            serving = self.registry.champion(model.name)
        except NoChampion:
            return new_promotion(
                self.steps, model, version=found.version, purpose=Purpose.BOOTSTRAP,
                key=key, reason=reason, actor=actor,
            )  # fmt: skip
        message = f"{model.name}: version {serving.version} is the champion already"
        raise IllegalTransition(message, subject=model.name)

    def _require_right(self, actor: Actor) -> None:
        if not self.role or self.role in actor.roles:
            return
        if not actor.proven:
            needed = f"the app role {self.role!r} is needed, in a token with an object id"
            raise NotAllowed(f"who asks is not proven: {needed}")
        raise NotAllowed(f"{actor.name} lacks the app role {self.role!r}")


def _same(begun: Run, version: str) -> Run:
    if begun.version == version:
        return begun
    message = f"this key has begun the bootstrap of version {begun.version}, not of {version}"
    raise IllegalTransition(message, subject=begun.run_id)
