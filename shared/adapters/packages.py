"""The packages that are deployed with the app."""

from importlib.metadata import distributions


def installed_packages() -> dict[str, str]:
    """Give the version of each installed package by name."""
    # a broken installation may leave a folder without a name or version behind
    found = {each.name: each.version for each in distributions() if each.name and each.version}
    if "mlflow-skinny" in found:
        # the part of mlflow that loads models, from the same release: a version that was trained
        # with mlflow is at home here
        found.setdefault("mlflow", found["mlflow-skinny"])
    return found
