"""The border with azure-functions' converters: what arrives becomes what a function sees, and back.

The contract is that of the worker's protocol: text is a ``string`` datum, bytes are ``bytes`` and
everything else is JSON text in a ``json`` datum, dates with their quotes included.
"""

import json
from datetime import datetime
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

from local.functions_host.model import QueueOutput, RegisteredFunction


def converter(binding_type: str) -> Any:
    """Give azure-functions' converter for a binding type, or None if it has none."""
    return func.get_binding_registry().get(binding_type)  # type: ignore[no-untyped-call]


def text_datum(value: str) -> Datum:
    return Datum(value, "string")


def bytes_datum(value: bytes) -> Datum:
    return Datum(value, "bytes")


def json_datum(value: Any) -> Datum:
    return Datum(json.dumps(value), "json")


def time_datum(moment: datetime | None) -> Datum:
    """Wrap a time as the host sends it: ISO 8601 in quotes, as a JSON string."""
    return json_datum(moment.isoformat() if moment else None)


def decode_trigger(function: RegisteredFunction, payload: Datum, metadata: dict[str, Datum]) -> Any:
    """Give the value of the trigger's parameter; str and bytes parameters take it unconverted."""
    parameter = function.parameter
    if parameter.plain:
        return payload.value
    return converter(parameter.binding).decode(payload, trigger_metadata=metadata)


def encode_http(value: Any) -> Datum:
    """Turn what an HTTP function returned into a datum; TypeError for what the worker refuses.

    None is refused as well: a function with a return binding must return something.
    """
    return _encode("http", value)


def queue_payloads(output: QueueOutput, value: Any) -> list[str | bytes]:
    """Give the messages that a queue output's value stands for; TypeError for a wrong type."""
    if output.plain and not isinstance(value, str | bytes):
        raise TypeError(f"a queue output of text was set to {type(value).__name__}")
    datum = _encode("queue", value)
    if datum.type in ("string", "bytes"):
        return [datum.value]
    messages = json.loads(datum.value)
    if not isinstance(messages, list) or not all(isinstance(text, str) for text in messages):
        raise TypeError("a queue output takes str, bytes or a list of str on this host")
    return list(messages)


def _encode(binding: str, value: Any) -> Datum:
    try:
        datum: Datum = converter(binding).encode(value, expected_type=None)
    except NotImplementedError:
        given = type(value).__name__
        raise TypeError(f"the {binding} output cannot take a value of type {given}") from None
    return datum
