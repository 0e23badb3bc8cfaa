"""What Lambda refuses beyond its model.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html (Timeout: "The maximum allowed value is 900
seconds"), which the model does not have.
"""

from typing import Any

from localaws.errors import AwsError

SECONDS = 900


def check(_response: Any, _operation: str, given: dict[str, Any]) -> None:
    """Refuse a function that runs too long.

    Raises:
        AwsError: ValidationException.
    """
    seconds = given.get("Timeout")
    if isinstance(seconds, int) and seconds > SECONDS:
        rule = f"Member must have value less than or equal to {SECONDS}"
        message = f"1 validation error detected: Value '{seconds}' at 'timeout' failed to satisfy constraint: {rule}"
        raise AwsError("ValidationException", message)
