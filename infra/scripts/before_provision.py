"""azd's hook before provisioning.

Notes the commit, and once the month of the budget; registers the app where tokens are asked for.

Needs no package: it runs on the machine of whoever deploys, with ``git``, ``az`` and ``azd``. Not
yet run live.
"""

import os
from datetime import UTC, datetime

from before_down import EXPORTED
from register_app import register, run

BUDGET_START = "RETRAIN_LOOP_BUDGET_START"
PIPELINES = ("CI", "TF_BUILD")
"""Set by GitHub Actions and others; by Azure Pipelines."""


def main() -> None:
    remember("GIT_SHA", run("git", "rev-parse", "HEAD"))
    remember("GIT_BRANCH", branch())
    if not os.environ.get(BUDGET_START) and not any(map(os.environ.get, PIPELINES)):
        # a pipeline forgets what it notes, and Azure refuses a budget that starts anew each month
        remember(BUDGET_START, datetime.now(UTC).strftime("%Y-%m-01"))
    if os.environ.get(EXPORTED):
        # the account's name is the same after a teardown, its ledger is not
        remember(EXPORTED, "")
    known = os.environ.get("ENTRA_CLIENT_ID") and os.environ.get("ENTRA_OBJECT_ID")
    # a pipeline has no rights in the directory: there a person has done this once before
    if os.environ.get("RETRAIN_LOOP_ALERT_RECEIVER") == "entra" and not known:
        client_id, object_id = register(f"retrain-loop-{os.environ['AZURE_ENV_NAME']}")
        remember("ENTRA_CLIENT_ID", client_id)
        remember("ENTRA_OBJECT_ID", object_id)


def branch() -> str:
    """Name the branch; a pipeline checks out a commit, and says the branch in the environment."""
    names = (os.environ.get(each) for each in ("GITHUB_REF_NAME", "BUILD_SOURCEBRANCHNAME"))
    return next(filter(None, names), "") or run("git", "rev-parse", "--abbrev-ref", "HEAD")


def remember(name: str, value: str) -> None:
    run("azd", "env", "set", name, value)


if __name__ == "__main__":
    main()
