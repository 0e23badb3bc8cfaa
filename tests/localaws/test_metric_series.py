"""The data of each metric is found without reading those of the others."""

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import MetricDatum

from localaws.metric_series import MetricSeries

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SINCE = NOW.replace(tzinfo=None)


def datum(value: float, name: str = "errors", minutes: int = 0, **dimensions: str) -> Any:
    shown = [{"Name": key, "Value": one} for key, one in dimensions.items()]
    return MetricDatum("Test", name, value, shown, NOW + timedelta(minutes=minutes))


def values(series: MetricSeries, data: list[Any], **dimensions: str) -> list[float]:
    metric = ("Test", "errors", frozenset(dimensions.items()))
    return [one.value for one in series.of(data, metric, SINCE)]


def test_finds_what_was_added_since_and_only_of_the_metric() -> None:
    series, data = MetricSeries(), [datum(1), datum(2, "calls"), datum(3, variant="a")]
    assert values(series, data) == [1]
    data += [datum(4), datum(5, variant="a")]
    assert values(series, data) == [1, 4]
    assert values(series, data, variant="a") == [3, 5]
    assert values(series, data, variant="b") == []


def test_sorts_late_data_by_their_time_and_leaves_out_what_is_too_old() -> None:
    series, data = MetricSeries(), [datum(1, minutes=5)]
    assert values(series, data) == [1]
    data += [datum(2, minutes=1), datum(3, minutes=-1)]
    assert values(series, data) == [2, 1]


def test_forgets_data_that_were_removed_or_replaced() -> None:
    series, data = MetricSeries(), [datum(number) for number in range(6)]
    assert len(values(series, data)) == 6
    del data[:4]
    assert values(series, data) == [4, 5]
    # As long as before, so that only the last datum shows that others were removed.
    data += [datum(6), datum(7)]
    assert values(series, data) == [4, 5, 6, 7]
    del data[:2]
    data += [datum(8), datum(9)]
    assert values(series, data) == [6, 7, 8, 9]
    assert values(series, [datum(10)]) == [10]
