"""The queries of docs/telemetry.md, read by Microsoft's own language service."""

import re
from pathlib import Path

from local.kusto_language import analyse
from shared import telemetry
from tests.conftest import TOOLS

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"
COMMON = {
    "TimeGenerated": "datetime",
    "OperationId": "string",
    "ParentId": "string",
    "AppRoleName": "string",
    "Properties": "dynamic",
}
TABLES = {
    "AppMetrics": COMMON
    | {"Name": "string", "Sum": "real", "Min": "real", "Max": "real", "ItemCount": "int"},
    "AppDependencies": COMMON
    | {"Name": "string", "DurationMs": "real", "Success": "bool", "ResultCode": "string"},
    "AppTraces": COMMON | {"Message": "string", "SeverityLevel": "int"},
}


def queries() -> list[str]:
    return re.findall(r"```kusto\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_language_service_finds_no_fault_with_the_queries():
    texts = queries()

    answers = analyse(texts, TABLES, TOOLS)

    assert len(texts) == 6
    assert {
        text: answer.faults for text, answer in zip(texts, answers, strict=True)
    } == dict.fromkeys(texts, ())


def test_the_page_names_the_metrics_that_are_written():
    text = PAGE.read_text(encoding="utf-8")

    assert {telemetry.DECISIONS, telemetry.DURATION} <= set(re.findall(r'Name == "([^"]+)"', text))
