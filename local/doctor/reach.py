"""Is the app there, what does it say of itself, and do the clocks agree."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import requests

from local.doctor.findings import Check, fail, skip, warn
from shared.errors import Unavailable

GROUP: Final = "reach"
_SECONDS: Final = (5.0, 15.0)  # to connect, to answer: a cold start takes seconds
_LOGS: Final = "see the app's log stream; is it started, and is its storage reachable to it?"


def checks(
    address: str, leeway: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[Check]:
    """Ask the app at an address, such as ``https://app.azurewebsites.net``; empty: none is known.

    Args:
        address: of the function app, without a path.
        leeway: by how much the clocks may differ.
        now: this machine's clock, never a scenario's.
    """
    return [
        Check(GROUP, "functions", lambda: _health(address), _LOGS, _LOGS),
        Check(GROUP, "clock", lambda: _clock(address, leeway, now), _LOGS, _LOGS),
    ]


def _health(address: str) -> str:
    answer = _ask(address)
    body = _json(answer)
    if answer.status_code == HTTPStatus.OK:
        return _ready(body)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise fail("404: no function answers there", "deploy the app: azd deploy")
    if answer.status_code == HTTPStatus.FORBIDDEN:
        remedy = "ask from an address of operatorAddressRanges: docs/deploy.md"
        raise fail("403: this machine is not admitted", remedy)
    told = _missing(body.get("missing")) or "it does not say what is missing"
    raise fail(f"{answer.status_code}: {told}", _LOGS)


def _ready(body: Mapping[str, Any]) -> str:
    models = body.get("models")
    if body.get("status") != "ready" or not isinstance(models, list):
        # a sign-in page, or another site: both answer 200
        remedy = "is SERVICE_API_URI (or --address) this app's, and does nothing sign in before it?"
        raise fail("200, and not as the app says that it is ready", remedy)
    return f"ready, {len(models)} models"


def _missing(told: Any) -> str:
    """Say what the app names; empty where what answers is not the app."""
    try:
        return "; ".join(f"{each['what']}: {', '.join(each['detail'])}" for each in told)
    except (KeyError, TypeError):
        return ""


def _clock(address: str, leeway: timedelta, now: Callable[[], datetime]) -> str:
    answer, here = _ask(address), now()
    try:
        there = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        raise skip("the answer names no date") from None
    skew = abs((there - here).total_seconds())
    if skew > leeway.total_seconds():
        remedy = "set this machine's clock: tokens are checked against it"
        raise warn(f"{skew:.0f} s apart, at most {leeway.total_seconds():.0f}", remedy)
    return f"{skew:.0f} s apart"


def _ask(address: str) -> requests.Response:
    if not address:
        raise skip("no address: set SERVICE_API_URI, or give --address")
    try:
        return requests.get(
            f"{address.rstrip('/')}/api/health", timeout=_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        raise Unavailable(f"{address}: no answer ({type(error).__name__})") from error


def _json(answer: requests.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
