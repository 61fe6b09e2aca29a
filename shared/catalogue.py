"""models.yaml: which models are watched, and every threshold that applies to them.

Checked whole when it is read: an unknown key, a missing id or a bad number is a ConfigError that
names the path in the file. ``${NAME}`` in a value is taken from the environment, so that ids stay
out of the file. The numbers' sources stand at the fields; ``models.schema.json`` is generated from
here for editors.
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from shared.errors import ConfigError
from shared.sections.alert_rules import AlertRule
from shared.sections.approval import Approval
from shared.sections.base import Column, Days, Section
from shared.sections.card import CARD_DUTIES, Card
from shared.sections.challenge import Challenge
from shared.sections.drift import DriftSettings
from shared.sections.gates import Gates
from shared.sections.job import (
    TARGETS,
    AzureMLJob,
    DatabricksJob,
    DevOpsJob,
    FabricJob,
    GitHubJob,
    JobTarget,
)
from shared.sections.policy import Policy
from shared.sections.readiness import Readiness
from shared.sections.sources import (
    EndpointLog,
    EventhouseTable,
    LogAnalyticsTable,
    ProfileSourceName,
    SparkNotebook,
)

Guid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
GuidOrNone = Annotated[
    str, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Table = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]

Task = Literal["regression", "classification"]
StartForm = Literal["pipeline_map", "pipeline_list", "notebook_map", "notebook_list", "spark_job"]


class FabricItems(Section):
    """The Fabric items of one model."""

    workspace_id: Guid
    """The workspace that holds them."""
    pipeline_id: GuidOrNone = ""
    """The data pipeline that retrains; a notebook or a Spark job where ``start_form`` says so. May
    be left out where ``job`` names another place."""
    start_form: StartForm = "pipeline_map"
    """What is started and how its parameters are sent. Default: the form that recorded traffic
    shows at work; the list is what the specification says, and not broadly available."""
    model_id: Guid | None = None
    """The ML model item, for its endpoint."""

    @property
    def place(self) -> tuple[str, ...]:
        """Name the pipeline: models that share one share its list of jobs."""
        return self.workspace_id.casefold(), self.pipeline_id.casefold()

    @property
    def label(self) -> str:
        return self.pipeline_id

    @property
    def service(self) -> str:
        return "Fabric"


JobItems = FabricItems | AzureMLJob | DevOpsJob | GitHubJob | DatabricksJob
"""What a job service is told to start: each model's ``job_items``."""


class DataTables(Section):
    """Where the model's rows live, as ``lakehouse.table``."""

    predictions: Table
    """What was served: id, timestamp, every feature, prediction, model_version."""
    actuals: Table
    """What became true: id and actual, and when it was known."""
    holdout: Table
    """Whole days set aside, never trained on: id, timestamp, every feature, actual."""
    source: ProfileSourceName = "delta"
    """Where what was served is counted: here, or by whom the section of the same name says."""
    log_analytics: LogAnalyticsTable | None = None
    eventhouse: EventhouseTable | None = None
    spark: SparkNotebook | None = None

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if self.source != "delta" and getattr(self, self.source) is None:
            raise ValueError(f"{self.source}: data.source names it, so it must be given")
        return self


class Columns(Section):
    """The names the model's tables use."""

    timestamp: Column
    id: Column
    prediction: Column
    actual: Column
    model_version: Column = "model_version"
    actual_timestamp: Column | None = None
    """When the actual became known; None: it was known at once."""


class Feature(Section):
    """One input of the model."""

    name: Column
    kind: Literal["numeric", "categorical"]


class WindowSettings(Section):
    """Which rows are compared."""

    reference_days: Days = 90
    """Days before the version's training cut-off. Source: drift notebook, 90."""
    current_days: Days = 7
    """Days before the check. Source: drift notebook, 7."""
    lag_days: Annotated[int, Field(ge=0, le=366)] = 0
    """Days after a day's end in which rows of it may still arrive. Until then it is profiled anew
    at each check; after that its profile is kept, and rows that come later are not seen. House
    rule: a check at 04:00 leaves a day four hours."""
    actual_lag_days: Annotated[int, Field(ge=0, le=366)] = 0
    """Days after which a row's actual counts as arrived. Performance looks at windows that end so
    much earlier: a younger window holds only the actuals that come quickly."""


class Model(Section):
    """One watched model."""

    name: Name
    description: str = ""
    task: Task
    domain: Name
    regulated: bool
    """Lending, healthcare, hiring, justice: fairness cannot be switched off."""
    public_safety: bool = False
    """People are warned or protected by it: a person agrees to each promotion. Source: MLOps
    anchor, such models are never promoted by themselves."""
    owner: str
    cost_center: str
    runbook: str = ""
    fabric: FabricItems
    job: JobTarget = FabricJob()
    """Which service runs the retrain. Default: the pipeline of ``fabric``."""
    data: DataTables
    endpoint_log: EndpointLog | None = None
    """Where the online endpoint's requests are logged; None: nobody can say how it fares."""
    columns: Columns
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    windows: WindowSettings = WindowSettings()
    drift: DriftSettings = DriftSettings()
    policy: Policy = Policy()
    alert_rules: tuple[AlertRule, ...] = ()
    """Alert rules that are about the model though their alerts do not name it."""
    gates: Gates
    challenge: Challenge = Challenge()
    approval: Approval = Approval()
    card: Card = Card()
    readiness: Readiness = Readiness()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("features: two have the same name")
        if self.regulated and not self.gates.fairness.attributes:
            raise ValueError("gates.fairness.attributes: a regulated model must declare them")
        if self.approval.mode == "automatic" and (self.regulated or self.public_safety):
            why = "regulated" if self.regulated else "public_safety"
            raise ValueError(f"approval.mode: automatic is not for a model that is {why}")
        return self

    @model_validator(mode="after")
    def _has_card(self) -> Self:
        """Ask of a model that decides about people what its readers must be told."""
        lacking = [name for name in CARD_DUTIES if name in self.card.undeclared]
        if (self.regulated or self.public_safety) and lacking:
            why = "regulated" if self.regulated else "public_safety"
            raise ValueError(f"card: a model that is {why} must declare {', '.join(lacking)}")
        return self

    @model_validator(mode="after")
    def _has_pipeline(self) -> Self:
        if isinstance(self.job, FabricJob) and not self.fabric.pipeline_id:
            raise ValueError("fabric.pipeline_id: must be given where job.target is fabric")
        return self

    @property
    def job_items(self) -> JobItems:
        """Give what its job service is told to start."""
        return self.fabric if isinstance(self.job, FabricJob) else self.job

    @property
    def approval_required(self) -> bool:
        """Tell whether a person must agree before the model's champion changes."""
        return self.regulated or self.public_safety or self.approval.mode == "required"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


class Catalogue(Section):
    """The whole file."""

    version: Literal[1]
    models: Annotated[tuple[Model, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [model.name for model in self.models]
        rules = [rule.rule.casefold() for model in self.models for rule in model.alert_rules]
        for what, given in (("named", names), ("alert rules given", rules)):
            doubles = sorted({name for name in given if given.count(name) > 1})
            if doubles:
                raise ValueError(f"models: {what} twice: {', '.join(doubles)}")
        return self

    def with_approval(self) -> "Catalogue":
        """Give the same catalogue where no promotion goes without a person."""
        required = {"mode": "required"}
        models = tuple(
            model.model_copy(update={"approval": model.approval.model_copy(update=required)})
            for model in self.models
        )
        return self.model_copy(update={"models": models})

    def find(self, name: str) -> Model | None:
        wanted = name.strip().casefold()
        return next((model for model in self.models if model.name == wanted), None)

    def find_by_rule(self, *names: str) -> tuple[Model, AlertRule] | None:
        """Give the model that claims an alert rule by one of its names or ids."""
        claims = ((model, rule) for model in self.models for rule in model.alert_rules)
        return next(((model, rule) for model, rule in claims if rule.fits(*names)), None)


_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, where YAML's own loader takes the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key, _ in node.value if keys.count(key.value) > 1), None)
        if twice is not None:
            problem = f"the key {twice.value!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, twice.start_mark)
        return super().construct_mapping(node, deep=deep)


def load_catalogue(path: Path, environment: Mapping[str, str]) -> Catalogue:
    """Read and check models.yaml.

    Raises:
        ConfigError: every fault found, one a line, each with its path in the file.
    """
    try:
        # _Loader is a SafeLoader
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - see above
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}", subject=str(path)) from error
    faults: list[str] = []
    filled = _substitute(document, environment, "", faults)
    if faults:
        raise ConfigError(_listing(path, faults), subject=str(path))
    try:
        return Catalogue.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(_listing(path, _faults(error)), subject=str(path)) from error


def _substitute(value: Any, environment: Mapping[str, str], where: str, faults: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _substitute(item, environment, f"{where}.{key}".lstrip("."), faults)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _substitute(item, environment, f"{where}[{index}]", faults)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    missing = [name for name in _VARIABLE.findall(value) if not environment.get(name)]
    faults.extend(f"{where}: the setting {name} is not set" for name in missing)
    return _VARIABLE.sub(lambda match: environment.get(match[1], ""), value)


def _faults(error: ValidationError) -> list[str]:
    return [
        f"{_path(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
        + ("" if fault["type"] in ("missing", "value_error") else _given(fault["input"]))
        for fault in error.errors(include_url=False)
        # A list whose every item is wrong is also called too short, which it is not.
        if not (fault["type"] == "too_short" and fault["input"])
    ]


def _given(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f" (got {value!r:.80})"


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for before, part in zip((None, *location), location, strict=False):
        if before == "job" and part in TARGETS:
            continue  # which of the targets it was read as is no key of the file
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "(the file)"


def _listing(path: Path, faults: list[str]) -> str:
    return f"{path.name} is not right:\n" + "\n".join(f"  {fault}" for fault in faults)
