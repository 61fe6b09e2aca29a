"""The packages that are deployed with the app."""

from importlib.metadata import distributions


def installed_packages() -> dict[str, str]:
    """Give the version of each installed package by name."""
    # a broken installation may leave a folder without a name or version behind
    return {found.name: found.version for found in distributions() if found.name and found.version}
