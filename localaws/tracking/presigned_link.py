"""Links to a tracking server's or an App's UI."""

from datetime import timedelta
from typing import Any

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.services.context import Caller
from localaws.tracking.data_plane import not_serving
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.sessions import LINK_SECONDS, SESSION_SECONDS, Sessions

AUTH_PATH = "/auth"


def presigned_link(sessions: Sessions, hosted: HostedMlflow, caller: Caller, given: dict[str, Any]) -> str:
    """Return a link that opens one session with the caller's permissions.

    Raises:
        AwsError: ValidationException, because it is not running.
    """
    if not hosted.serving:
        raise AwsError("ValidationException", f"{not_serving(hosted)}, its UI can't be opened.")
    lifetime = timedelta(seconds=given.get("ExpiresInSeconds") or LINK_SECONDS)
    session = timedelta(seconds=given.get("SessionExpirationDurationInSeconds") or SESSION_SECONDS)
    token = sessions.link(hosted.arn, caller.principal, current_call.get().access_key, lifetime, session)
    return f"{hosted.url}{AUTH_PATH}?authToken={token}"
