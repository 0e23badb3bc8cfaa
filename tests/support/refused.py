"""The code with which AWS or localaws refuses a call."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code(action: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        action()
    return str(caught.value.response["Error"]["Code"])
