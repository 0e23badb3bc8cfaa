"""The page that lists all CloudWatch alarms of the Terraform modules."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path("docs/reference/alarms.md")
_ALARM = re.compile(r'^resource "aws_cloudwatch_metric_alarm" "(\w+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^  (\w+)\s*= (.*)$", re.MULTILINE)
_LOCAL = re.compile(r'^  (\w+)\s*= "(.*)"$', re.MULTILINE)
_EXPRESSION = re.compile(r"\$\{([^}]*)\}")
_RESOURCE = re.compile(r"aws_\w+\.(\w+)(?:\[0\])?\.\w+")
_SIGNS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
_NAME = "PROJECT-ENV"
_TEXT = f"""# Alarms

Every CloudWatch alarm that the Terraform modules create, written by `make docs` from the modules. `{_NAME}` is the
environment, such as `mlflow-staging`; a word in `CAPITALS` is an input or a resource of the module. `deploy_model.py`
adds alarms to endpoints, which roll an update back: see [deploy](../guides/deploy.md).

An alarm notifies the topic of `notifications`, if there is one. `make doctor` shows the alarms that are missing, off
or in `ALARM`. The [runbook](../guides/runbook.md) says what to do.

"""
_HEAD = ("Alarm", "Meaning", "Raised if", "Without data", "Notifies", "Exists with")


def alarms_page(repository: Path) -> str:
    """The text of the page."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for module in sorted((repository / "terraform/module").iterdir()):
        texts = [file.read_text() for file in sorted(module.glob("*.tf"))]
        names = {name: value for text in texts for name, value in _LOCAL.findall(text)} | {"name": _NAME}
        rows += [
            _row(dict(_ARGUMENT.findall(body)), names, module.name)
            for text in texts
            for _, body in _ALARM.findall(text)
        ]
    return _TEXT + "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"


def _row(given: dict[str, str], names: dict[str, str], module: str) -> tuple[str, ...]:
    def plain(name: str) -> str:
        return _resolved(given.get(name, "").strip('"'), names)

    sign = _SIGNS[given["comparison_operator"].strip('"')]
    periods = plain("evaluation_periods")
    condition = given.get("count", "").split(" ? ")[0].removeprefix("local.has_")
    return (
        f"`{plain('alarm_name')}`",
        plain("alarm_description"),
        f"{plain('statistic')} of `{plain('namespace')}` `{plain('metric_name')}` {sign} {plain('threshold')} "
        f"for {periods} x {plain('period')} s",
        f"`{plain('treat_missing_data') or 'missing'}`",
        "when it is raised and when it ends" if "ok_actions" in given else "when it is raised",
        f"`{condition}` of module `{module}`" if condition else f"module `{module}`",
    )


def _resolved(text: str, names: dict[str, str]) -> str:
    """The text with locals replaced by their values, and other expressions by their names in capitals."""

    def value(expression: str) -> str:
        if expression.startswith("local."):
            name = expression.removeprefix("local.")
            return _resolved(names[name], names) if name in names else name.upper()
        resource = _RESOURCE.fullmatch(expression)
        return (resource[1] if resource else expression.removeprefix("var.")).upper()

    if text.startswith(("local.", "var.")):
        return value(text)
    return _EXPRESSION.sub(lambda found: value(found[1]), text)
