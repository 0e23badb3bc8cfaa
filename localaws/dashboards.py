"""CloudWatch's dashboards: PutDashboard checks the body as AWS does; moto only checks that it is JSON.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
import re
from collections.abc import Iterator
from functools import wraps
from typing import Any

from localaws.moto_methods import original

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_MOST_WIDGETS = 500
_MOST_ALARMS = 100
_GRID = {"x": (0, 23), "y": (0, None), "width": (1, 24), "height": (1, 1000)}
# What the properties of each type of widget must contain.
_REQUIRED = {
    "metric": ("region",),
    "text": ("markdown",),
    "log": ("region", "query"),
    "alarm": ("alarms",),
    "explorer": ("metrics", "labels"),
    "custom": ("endpoint",),
}


def install() -> None:
    """Let PutDashboard refuse what AWS refuses."""
    from moto.cloudwatch.exceptions import DashboardInvalidInputError
    from moto.cloudwatch.responses import CloudWatchResponse

    put = original(CloudWatchResponse.put_dashboard)

    @wraps(put)
    def put_dashboard(self: Any) -> Any:
        problems = list(problems_of(self._get_param("DashboardName"), self._get_param("DashboardBody")))
        if problems:
            raise DashboardInvalidInputError(f"The dashboard body is invalid, there are {len(problems)} validation "
                                             f"errors: [{', '.join(problems)}]")  # fmt: skip
        return put(self)

    CloudWatchResponse.put_dashboard = put_dashboard


def problems_of(name: str, body: str) -> Iterator[str]:
    """Why AWS refuses a dashboard; nothing if it accepts it."""
    if not _NAME.fullmatch(name):
        yield f"The name {name!r} has other characters than A-Z, a-z, 0-9, - and _"
    try:
        given = json.loads(body)
    except ValueError:
        yield "Body is invalid JSON"
        return
    widgets = given.get("widgets") if isinstance(given, dict) else None
    if not isinstance(widgets, list):
        yield "/: should have required property 'widgets'"
        return
    if len(widgets) > _MOST_WIDGETS:
        yield f"/widgets: should NOT have more than {_MOST_WIDGETS} items"
    for number, widget in enumerate(widgets):
        yield from (f"/widgets/{number}{problem}" for problem in _of_widget(widget))


def _of_widget(widget: Any) -> Iterator[str]:
    if not isinstance(widget, dict):
        yield ": should be object"
        return
    kind, properties = widget.get("type"), widget.get("properties")
    if kind not in _REQUIRED:
        yield "/type: should be equal to one of the allowed values"
        return
    if not isinstance(properties, dict):
        yield ": should have required property 'properties'"
        return
    for key, (least, most) in _GRID.items():
        value = widget.get(key, least)
        if not isinstance(value, int) or value < least or (most is not None and value > most):
            yield f"/{key}: should be an integer from {least} to {most or 'any'}"
    yield from (
        f"/properties: should have required property '{key}'" for key in _REQUIRED[kind] if key not in properties
    )
    if kind == "metric":
        yield from _of_metrics(properties)
    if kind == "alarm" and not 0 < len(properties.get("alarms", [])) <= _MOST_ALARMS:
        yield f"/properties/alarms: should have 1 to {_MOST_ALARMS} items"


def _of_metrics(properties: dict[str, Any]) -> Iterator[str]:
    metrics = properties.get("metrics")
    if metrics is None:
        if "annotations" not in properties:
            yield "/properties: should have required property 'metrics' or 'annotations'"
        return
    for number, metric in enumerate(metrics):
        # Namespace, name, pairs of dimensions, and an object with settings; or an object with an expression only.
        if not isinstance(metric, list) or not metric:
            yield f"/properties/metrics/{number}: should be a non-empty array"
            continue
        texts = metric[:-1] if isinstance(metric[-1], dict) else metric
        # "..." repeats the start of the metric before.
        if (not texts and "expression" in metric[-1]) or texts[:1] == ["..."]:
            continue
        if len(texts) < 2 or len(texts) % 2 or not all(isinstance(text, str) for text in texts):
            yield f"/properties/metrics/{number}: should have a namespace, a name and pairs of dimensions"
