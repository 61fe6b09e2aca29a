"""azd's hook before everything is removed: refuses while the audit's ledger would go with it.

Needs no package. What has to be done first stands in docs/deploy.md, "Teardown".
"""

import os
import sys

ACCOUNT = "RETRAIN_LOOP_STORAGE_ACCOUNT"
EXPORTED = "RETRAIN_LOOP_LEDGER_EXPORTED"
"""Holds until the next provisioning: then there is a ledger again."""
NONE = "none"
# azd finds by its tags what another machine or a pipeline has deployed, and would remove that, too
UNKNOWN = (
    f"{ACCOUNT} is not set: whether there is a ledger is not known here.\n"
    "`azd env refresh` tells; where nothing was deployed, say so:\n"
    f"  azd env set {EXPORTED} {NONE}"
)


def main() -> int:
    account = os.environ.get(ACCOUNT, "")
    if os.environ.get(EXPORTED) == (account or NONE):
        return 0
    print(refusal(account) if account else UNKNOWN, file=sys.stderr)
    return 1


def refusal(account: str) -> str:
    return (
        f"The storage account {account} holds the ledger of every decision, and its evidence.\n"
        "Export both and check the export (docs/deploy.md, Teardown), then say so:\n"
        f"  azd env set {EXPORTED} {account}"
    )


if __name__ == "__main__":
    sys.exit(main())
