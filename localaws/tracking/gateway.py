"""The entry to the data plane: sends signed tracking calls to the server or App that their ARN header names."""

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.asgi import Receive, Scope, Send
from localaws.front.identify import CALL_APP
from localaws.tracking.catalog import Catalog
from localaws.tracking.data_plane import DataPlane, not_serving, say


class Gateway:
    """An ASGI application for calls whose signature has been verified."""

    def __init__(self, account: str, catalog: Catalog, data_plane: DataPlane) -> None:
        self._account = account
        self._catalog = catalog
        self._data_plane = data_plane

    @staticmethod
    def takes(call: Call) -> bool:
        """Return whether a call is a tracking call."""
        return call.service == "sagemaker-mlflow" or call.operation == CALL_APP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI).

        Raises:
            AwsError: AccessDeniedException, because the server or App belongs to another account.
        """
        call: Call = scope["localaws.call"]
        arn = call.resource
        server = self._catalog.by_arn(arn)
        if server is None or server.region != call.region or server.header not in call.headers:
            self._refuse_other_account(call, arn)
            # The response in https://github.com/aws/CICD-for-SageMakerUnifiedStudio/pull/13; an App's is undocumented.
            app = call.operation == CALL_APP
            await say(send, 404, "MLflow App could not be found" if app else "Tracking server could not be found")
        elif not server.serving:
            # Undocumented. A 4xx, because MLflow's client retries a 5xx for minutes before it reports the error.
            await say(send, 400, not_serving(server))
        else:
            await self._data_plane.answer(server, call, receive, send)

    def _refuse_other_account(self, call: Call, arn: str) -> None:
        """Deny access to other accounts' servers. IAM decides first, and localaws has no cross-account permissions."""
        parts = arn.split(":")
        if len(parts) == 6 and parts[4] != self._account:
            message = f"User: {call.principal} is not authorized to perform: {call.action} on resource: {arn}"
            raise AwsError("AccessDeniedException", message, 403)
