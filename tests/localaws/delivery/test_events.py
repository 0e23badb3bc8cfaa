"""Input templates of EventBridge's targets."""

from localaws.delivery.events import transformed

EVENT = {"source": "aws.sagemaker", "detail": {"Arn": 'arn:aws:a"b', "Version": 3}}
PATHS = {"arn": "$.detail.Arn", "version": "$.detail.Version", "missing": "$.detail.None"}


def test_fills_in_values_with_and_without_quotes() -> None:
    template = '{"a": <arn>, "b": "<arn>", "c": <version>, "d": "version <version> of <arn>", "e": <missing>}'
    assert transformed(template, PATHS, EVENT) == {
        "a": 'arn:aws:a"b',
        "b": 'arn:aws:a"b',
        "c": 3,
        "d": 'version 3 of arn:aws:a"b',
        "e": "",
    }


def test_leaves_unknown_variables_and_gives_the_whole_event() -> None:
    assert transformed('"<other> <version>"', PATHS, EVENT) == "<other> 3"
    assert transformed("<aws.events.event.json>", {}, EVENT) == EVENT
