"""Access keys: who may call which route."""

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from local.functions_host.errors import StartupFailed
from local.functions_host.model import AuthLevel
from local.functions_host.settings import read_json_object


@dataclass(frozen=True)
class Keys:
    """The host's keys: ``default`` opens function routes, ``master`` opens everything."""

    default: str = field(repr=False)
    master: str = field(repr=False)

    def allow(self, level: AuthLevel, presented: str) -> bool:
        match level:
            case "anonymous":
                return True
            case "function":
                return _same(presented, self.default) or _same(presented, self.master)
            case "admin":
                return _same(presented, self.master)


def load_keys(path: Path) -> Keys:
    """Read ``{"default": ..., "_master": ...}``; StartupFailed if a key is missing or empty."""
    document = read_json_object(path, "keys file")
    found = [document.get(name) for name in ("default", "_master")]
    if not all(isinstance(key, str) and key for key in found):
        raise StartupFailed([f'keys file {path} must hold "default" and "_master", both text'])
    return Keys(*map(str, found))


def _same(presented: str, key: str) -> bool:
    return hmac.compare_digest(presented.encode(), key.encode())
