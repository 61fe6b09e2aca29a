"""Files that a command writes: refused before anything is computed where they could not be."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.adapters.wording import clipped
from shared.errors import BadInput

STANDARD_OUTPUT = Path("-")


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path] = ()) -> None:
    """Look at what each option names; only ``--json`` may be standard output.

    Raises:
        BadInput: a file could not be written, or must not be.
    """
    taken = {path.resolve() for path in inputs}
    for option, path in outputs.items():
        if path is None or (option == "--json" and path == STANDARD_OUTPUT):
            continue
        if path.resolve() in taken:
            raise BadInput(option, f"{clipped(path)} is one of the other files")
        if path.is_dir() or not path.parent.is_dir():
            raise BadInput(option, f"{clipped(path)} is a folder, or in one that is not there")
        taken.add(path.resolve())
