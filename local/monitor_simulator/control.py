"""What a person or a test may ask of the simulator itself, and the Teams webhook's route.

None of it exists on the real service; none of it asks for a token, for it is on loopback only.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.monitor_simulator.alerts import Alert
from local.monitor_simulator.faults import FaultKind
from local.monitor_simulator.simulator import SIMULATOR
from local.monitor_simulator.teams import CardRefused, read_card


class FaultOrder(BaseModel):
    """The body of ``POST /_simulator/faults``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    times: int = Field(default=1, ge=0)


class TestAlert(BaseModel):
    """The body of ``POST /_simulator/fire``; without a rule, the file's first."""

    __test__ = False
    model_config = ConfigDict(extra="forbid", frozen=True)

    model_name: str = Field(min_length=1)
    rule: str | None = None
    condition: Literal["Fired", "Resolved"] = "Fired"


async def health(request: web.Request) -> web.Response:
    simulator = request.app[SIMULATOR]
    return web.json_response(
        {
            "status": "ok",
            "now": simulator.clock.now().isoformat(),
            "rules": [rule.name for rule in simulator.rules.rules],
            "receivers": [receiver.safe_url for receiver in simulator.settings.receivers],
            "faults": simulator.faults.left(),
        }
    )


async def rows(request: web.Request) -> web.Response:
    kept = [row.values for row in request.app[SIMULATOR].store.all()]
    return web.json_response({"count": len(kept), "rows": kept})


async def alerts(request: web.Request) -> web.Response:
    simulator = request.app[SIMULATOR]
    deliveries = simulator.action_group.deliveries()
    return web.json_response(
        {
            "alerts": [_shown(alert) for alert in simulator.book.all()],
            "deliveries": deliveries,
            "receipts": [_receipt(delivery) for delivery in deliveries if delivery["attempts"]],
            "muted": simulator.action_group.muted(),
        }
    )


async def evaluate(request: web.Request) -> web.Response:
    return web.json_response({"transitions": request.app[SIMULATOR].evaluate()})


async def order_faults(request: web.Request) -> web.Response:
    try:
        order = FaultOrder.model_validate_json(await request.read())
    except ValidationError as error:
        return _bad_request(error)
    faults = request.app[SIMULATOR].faults
    faults.order(order.kind, order.times)
    return web.json_response(faults.left())


async def fire(request: web.Request) -> web.Response:
    simulator = request.app[SIMULATOR]
    try:
        wanted = TestAlert.model_validate_json(await request.read())
    except ValidationError as error:
        return _bad_request(error)
    first = simulator.rules.rules[0]
    rule = simulator.rules.named(wanted.rule) if wanted.rule else first
    if rule is None:
        return web.json_response({"error": f"no rule {wanted.rule}"}, status=404)
    transition = simulator.by_hand(rule, wanted.model_name, wanted.condition)
    return web.json_response(_shown(transition.alert), status=202)


async def cards(request: web.Request) -> web.Response:
    return web.json_response({"cards": list(request.app[SIMULATOR].cards.all())})


async def post_card(request: web.Request) -> web.Response:
    """The Workflows webhook: 202 and nothing else when the card is taken."""
    simulator = request.app[SIMULATOR]
    if not request.query.get("sig"):
        return web.json_response({"error": {"code": "DirectApiAuthorizationRequired"}}, status=401)
    if simulator.faults.take(FaultKind.REFUSE_CARDS):
        return web.Response(status=429, headers={"Retry-After": "1"})
    try:
        card = read_card(await request.read())
    except CardRefused as refused:
        return web.json_response({"error": {"message": str(refused)}}, status=400)
    now = simulator.clock.now().isoformat()
    simulator.cards.add(request.match_info["workflow_id"], now, card)
    return web.Response(status=202)


def _shown(alert: Alert) -> dict[str, Any]:
    fields = {**asdict(alert), "dimensions": dict(alert.dimensions), "state": alert.condition}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in fields.items()}


def _receipt(delivery: dict[str, Any]) -> dict[str, Any]:
    """What the receiver last said."""
    last = delivery["attempts"][-1]
    kept = ("alert_id", "monitor_condition", "receiver")
    named = {"delivery": delivery["id"], **{name: delivery[name] for name in kept}}
    return {**named, "status": last["status"], "answer": last["answer"]}


def _bad_request(error: ValidationError) -> web.Response:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return web.json_response({"error": problems}, status=400)
