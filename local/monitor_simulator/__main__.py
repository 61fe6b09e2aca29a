"""The command line of the Azure Monitor simulator."""

import argparse
import asyncio
from pathlib import Path

from local.monitor_simulator.action_group import RetryRule, load_receivers
from local.monitor_simulator.delivery import Receiver
from local.monitor_simulator.payload import Scope
from local.monitor_simulator.server import serve
from local.monitor_simulator.simulator import Settings

MOST_RETRIES = 5


def _gaps(text: str) -> tuple[float, ...]:
    gaps = tuple(float(part) for part in text.split(","))
    if not 1 <= len(gaps) <= MOST_RETRIES or min(gaps) < 0:
        raise argparse.ArgumentTypeError(f"between 1 and {MOST_RETRIES} gaps of 0 s or more")
    return gaps


def _parser() -> argparse.ArgumentParser:
    defaults = RetryRule()
    parser = argparse.ArgumentParser(prog="python -m local.monitor_simulator", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True, help="on loopback; 0 picks a free one")
    add("--rules", type=Path, default=Path("infra/alert-rules.json"))
    add("--table", type=Path, help="default: log-table.json beside the rules")
    receivers = parser.add_mutually_exclusive_group(required=True)
    receivers.add_argument("--action-group", type=Path, help="JSON as in the template")
    receivers.add_argument("--receiver-url", help="one webhook; may hold a function key")
    add("--state", type=Path, required=True, help="folder for rows, alerts and cards")
    add("--clock-file", type=Path, help="scenario clock; without it, the machine's")
    add("--token", help="the only bearer token accepted; without it, any")
    add("--evaluate-every", type=float, default=0.5, help="seconds, for evaluationFrequency")
    add("--retry-gaps", type=_gaps, default=defaults.gaps, help="seconds, comma separated")
    add("--receiver-timeout", type=float, default=defaults.patience, help="seconds")
    add("--mute", type=float, default=defaults.mute, help="seconds of silence after a failure")
    add("--subscription", default="00000000-0000-0000-0000-000000000000")
    add("--resource-group", default="rg-retrain-loop")
    add("--workspace", default="log-retrain-loop")
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    receivers = (Receiver("receiver", args.receiver_url),) if args.receiver_url else None
    return Settings(
        port=args.port,
        rules=args.rules,
        table=args.table or args.rules.with_name("log-table.json"),
        receivers=receivers or load_receivers(args.action_group),
        state=args.state,
        clock_file=args.clock_file,
        token=args.token,
        evaluate_every=args.evaluate_every,
        retry=RetryRule(args.retry_gaps, args.receiver_timeout, args.mute),
        scope=Scope(args.subscription, args.resource_group, args.workspace),
    )


if __name__ == "__main__":
    asyncio.run(serve(_settings(_parser().parse_args())))
