"""Expressions of metric math that CloudWatch refuses, and those of its documentation."""

import pytest

from localaws.metric_math import problem

IDENTIFIERS = {"m1", "m2", "m3", "e1"}


@pytest.mark.parametrize(
    "expression",
    [
        "m1/m2*100",
        "5 * -m1 ^ 2",
        "SUM(100/[m1, m2])",
        "IF(FIRST(SORT(METRICS(), AVG, DESC))>100, 1, 0)",
        "FILL(METRICS(), REPEAT)",
        'SUM([METRICS("4xx"), METRICS("5xx")])',
        "m1 > 15 AND m2 >= 1.5e3 || (m3 != 0)",
        "ANOMALY_DETECTION_BAND(m1, 4)",
        "INSIGHT_RULE_METRIC('r', UniqueContributors)",
        "m1 * .5 + 5.",
        "SEARCH('{AWS/EC2,InstanceId} MetricName=\"CPU\"', 'Average', 300)",
        'SELECT AVG(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId)',
    ],
)
def test_an_expression_of_the_documentation(expression: str) -> None:
    assert problem(expression, IDENTIFIERS) == ""


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("m1 +", "Unexpected end"),
        ("m1 m2", "Syntax error at 'm2'"),
        ("m1 + m4", "Unknown identifier 'm4'"),
        ("INSIGHT_RULE_METRIC('r', Sum) + m4", "Unknown identifier 'm4'"),
        ("sum(m1)", "Function 'sum' not found"),
        ("(m1", "')' is missing"),
        ("[m1, m2", "']' is missing"),
        ("m1 & m2", "Unexpected character"),
        ("m1)", "Syntax error at ')'"),
        ("m1 * / m2", "Syntax error at '/'"),
        ("SUM(,)", "Syntax error at ','"),
        ("(" * 20_000, "recursion"),
    ],
)
def test_an_expression_that_cloudwatch_refuses(expression: str, message: str) -> None:
    assert message in problem(expression, IDENTIFIERS)
