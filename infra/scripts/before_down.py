"""azd's hook before everything is removed: refuses while the audit's ledger would go with it.

Needs no package. What has to be done first stands in docs/deploy.md, "Teardown".
"""

import os
import sys

ACCOUNT = "RETRAIN_LOOP_STORAGE_ACCOUNT"
EXPORTED = "RETRAIN_LOOP_LEDGER_EXPORTED"


def main() -> int:
    account = os.environ.get(ACCOUNT, "")
    if not account or os.environ.get(EXPORTED) == account:
        return 0
    print(
        f"The storage account {account} holds the ledger of every decision, and its evidence.\n"
        "Export both and check the export (docs/deploy.md, Teardown), then say so:\n"
        f"  azd env set {EXPORTED} {account}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
