"""Pages of lists that moto returns whole.

A client that reads only the first page of a list works with a whole list and fails on AWS. Which members hold the
list, the token and the limit is botocore's paginator model of each operation.
"""

import base64
import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import botocore.session
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores

from localaws.errors import AwsError
from localaws.moto_methods import original

# A token of this module, as opposed to one of moto's own pages.
_PREFIX = "page-"


def page(response_class: type, service: str, operation: str, default: int) -> None:
    """Let an operation of moto return at most as many items as the request, or else AWS's default, allows.

    Lists that moto pages itself, and those of localaws's own operations, keep their pages.

    Args:
        response_class: moto's class with a method for each operation.
        default: the number of items if the request has no limit.
    """
    name, model = camelcase_to_underscores(operation), _paginators(service)[operation]
    method: Callable[[Any], Any] = getattr(response_class, name)
    whole = original(method)
    keys = model["result_key"] if isinstance(model["result_key"], list) else [model["result_key"]]

    @wraps(whole)
    def respond(self: Any) -> Any:
        start = _position(self._get_param(model["input_token"]))
        limit = int(self._get_param(model["limit_key"]) or default)
        if start:
            _remove(self, model["input_token"])
        response = whole(self)
        result = response.result
        if result.get(model["output_token"]):
            return response
        items = [(key, item) for key in keys for item in result.get(key) or ()]
        shown = items[start : start + limit]
        paged = {**result, **{key: [item for of, item in shown if of == key] for key in keys}}
        if start + limit < len(items):
            paged[model["output_token"]] = base64.b64encode(f"{_PREFIX}{start + limit}".encode()).decode()
        return ActionResult(paged)

    setattr(response_class, name, respond)


def paged_operations(service: str) -> list[str]:
    """The operations of a service that return pages."""
    return [name for name, model in _paginators(service).items() if isinstance(model.get("limit_key"), str)]


@cache
def _paginators(service: str) -> dict[str, Any]:
    loader = botocore.session.get_session().get_component("data_loader")
    found: dict[str, Any] = loader.load_service_model(service, "paginators-1")["pagination"]
    return found


def _position(token: str | None) -> int:
    """Where the page of a token begins: 0 without one, and for moto's own tokens.

    Raises:
        AwsError: ValidationException for a token of this module that has been changed.
    """
    try:
        text = base64.b64decode(token or "", validate=True).decode()
    except ValueError:
        return 0
    if not text.startswith(_PREFIX):
        return 0
    if not text.removeprefix(_PREFIX).isdecimal():
        raise AwsError("ValidationException", "The NextToken is not valid.")
    return int(text.removeprefix(_PREFIX))


def _remove(response: Any, member: str) -> None:
    """Take a token of this module out of a request, because moto's own pages would refuse it."""
    response.params = {key: value for key, value in (response.params or {}).items() if key != member}
    if response.body and response.body[:1] in ("{", b"{"):
        response.body = json.dumps({key: value for key, value in json.loads(response.body).items() if key != member})
