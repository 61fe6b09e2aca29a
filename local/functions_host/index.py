"""The app's functions registered: bindings and signatures checked, every problem collected."""

import inspect
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import azure.functions as func
from azure.functions.decorators.core import Binding

from local.functions_host.bindings import BindingReader, read_queue_output, read_trigger
from local.functions_host.errors import StartupFailed
from local.functions_host.model import QueueOutput, RegisteredFunction, Trigger, TriggerParameter
from local.functions_host.settings import Settings
from local.functions_host.signature import Signature, read_signature, signature_problems

logger = logging.getLogger("functions_host")

_RETURN = "$return"


def register(
    functions: list[func.Function], settings: Settings, prefix: str
) -> list[RegisteredFunction]:
    """Register the app's functions; StartupFailed lists what is wrong with any of them.

    A disabled function is registered too, since it can be started by hand; if something is
    wrong with it, it is left out and the host starts without it, as the real one does.
    """
    problems: list[str] = []
    registered = []
    for function in functions:
        draft = _Draft(function, settings, [])
        entry = draft.register(prefix)
        if entry is not None:
            registered.append(entry)
        elif not draft.disabled:
            problems += draft.problems
    if problems:
        raise StartupFailed(problems)
    return registered


@dataclass(frozen=True)
class _Draft:
    """One function on its way into the register, with the problems met so far."""

    function: func.Function
    settings: Settings
    problems: list[str]

    @property
    def name(self) -> str:
        return str(self.function.get_function_name())

    @property
    def disabled(self) -> bool:
        return self.settings.is_disabled(self.name)

    def register(self, prefix: str) -> RegisteredFunction | None:
        declared = self.function.get_trigger()
        signature = self._signature()
        if declared is None or signature is None:
            return None
        trigger = read_trigger(self._reader(declared), prefix)
        outputs = self._queue_outputs(signature)
        self._warn_of_retries()
        if trigger is None or self.problems:
            return None
        name = declared.name
        parameter = TriggerParameter(name, str(declared.type), plain=signature.is_plain(name))
        return self._entry(signature, parameter, trigger, outputs)

    def _entry(
        self,
        signature: Signature,
        parameter: TriggerParameter,
        trigger: Trigger,
        outputs: dict[str, QueueOutput],
    ) -> RegisteredFunction:
        call = self.function.get_user_function()
        return RegisteredFunction(
            name=self.name,
            call=call,
            directory=Path(inspect.getfile(call)).parent,
            is_async=inspect.iscoroutinefunction(call),
            wants_context=signature.wants_context and parameter.name != "context",
            disabled=self.disabled,
            parameter=parameter,
            trigger=trigger,
            outputs={name: output for name, output in outputs.items() if name != _RETURN},
            returns=outputs.get(_RETURN) or self._http_return(),
        )

    def _warn_of_retries(self) -> None:
        if self.function.get_settings_dict("retry_policy"):
            # On a timer the real host applies it; on a queue or HTTP function nothing ever does.
            logger.warning("The retry policy of '%s' is not applied by this host", self.name)

    def _signature(self) -> Signature | None:
        try:
            signature = read_signature(self.function.get_user_function())
        except NameError as error:
            # An import under TYPE_CHECKING only: the worker evaluates annotations, and fails too.
            self.problems.append(f"function '{self.name}': an annotation cannot be read: {error}")
            return None
        found = signature_problems(signature, self._bindings())
        self.problems.extend(f"function '{self.name}': {problem}" for problem in found)
        return signature

    def _queue_outputs(self, signature: Signature) -> dict[str, QueueOutput]:
        outputs = {}
        for binding in self._bindings():
            reader = self._reader(binding)
            if binding.type == "queue":
                plain = signature.is_plain(binding.name)
                outputs[binding.name] = read_queue_output(reader, plain=plain)
            elif binding is not self.function.get_trigger() and binding.type != "http":
                reader.note("type", "this host has queue and HTTP outputs only")
        return outputs

    def _http_return(self) -> Literal["http"] | None:
        returned = [binding.type for binding in self._bindings() if binding.name == _RETURN]
        return "http" if "http" in returned else None

    def _bindings(self) -> list[Binding]:
        bindings: list[Binding] = self.function.get_bindings()
        return bindings

    def _reader(self, binding: Binding) -> BindingReader:
        return BindingReader(self.name, binding, self.settings, self.problems)
