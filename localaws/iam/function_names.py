"""The forms in which a request names a Lambda function: a name, an ARN, or a partial ARN, each with a qualifier or not.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (FunctionName, with the pattern).
"""

import re

_FORMS = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>\$LATEST|[\w-]+))?",
    re.ASCII,
)


def function_arn(given: str, region: str, account: str, qualifier: str = "") -> str:
    """The ARN of a function. A qualifier in the name comes first. What has no such form is returned as it is."""
    found = _FORMS.fullmatch(given)
    if not found:
        return given
    start = f"arn:aws:lambda:{found['region'] or region}:{found['account'] or account}:function"
    return ":".join(filter(None, (start, found["name"], found["qualifier"] or qualifier)))


def short_name(given: str) -> str:
    """`name` or `name:qualifier`, as moto takes it."""
    found = _FORMS.fullmatch(given)
    return ":".join(filter(None, (found["name"], found["qualifier"]))) if found else given
