"""The callback steps that wait for an answer, by their tokens, and the operations that answer them.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SendPipelineExecutionStepSuccess.html and
API_SendPipelineExecutionStepFailure.html. They name ResourceNotFound and ConflictException, but not when: localaws
answers the first for an unknown token, and the second for a token that was answered before.
"""

import string
import threading
from dataclasses import dataclass, field
from secrets import choice
from typing import Any

from localaws.errors import AwsError
from localaws.services.context import Caller, Operations

# "Fixed length of 10. Pattern: [a-zA-Z0-9]+"
_LENGTH = 10


@dataclass(eq=False)
class Callback:
    """One step that waits.

    Attributes:
        execution: the ARN of the step's execution.
        request: the ClientRequestToken of the answer.
        outputs: the output parameters of a success.
        reason: of a failure; None for a success, and if localaws stops before there is an answer.
        closed: localaws stops.
    """

    token: str
    execution: str
    request: str = ""
    outputs: list[dict[str, str]] = field(default_factory=list)
    reason: str | None = None
    closed: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


class Callbacks:
    """The tokens of one localaws."""

    def __init__(self) -> None:
        self._callbacks: dict[str, Callback] = {}
        self._lock = threading.Lock()
        self._closed = False

    def operations(self) -> Operations:
        """The operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "SendPipelineExecutionStepSuccess": self.succeed,
                "SendPipelineExecutionStepFailure": self.fail,
            }
        )

    def open(self, execution: str) -> Callback:
        """A callback with a new token."""
        token = "".join(choice(string.ascii_letters + string.digits) for _ in range(_LENGTH))
        with self._lock:
            callback = self._callbacks[token] = Callback(token, execution, closed=self._closed)
        if callback.closed:
            callback.answered.set()
        return callback

    def succeed(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """SendPipelineExecutionStepSuccess."""
        return self._answer(given, given.get("OutputParameters") or [], None)

    def fail(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """SendPipelineExecutionStepFailure."""
        return self._answer(given, [], given.get("FailureReason") or "")

    def forget(self, execution: str) -> None:
        """Remove the tokens of a deleted execution. Until then, an answer can be repeated."""
        with self._lock:
            self._callbacks = {token: one for token, one in self._callbacks.items() if one.execution != execution}

    def close(self) -> None:
        """End the waits, because localaws stops."""
        with self._lock:
            self._closed = True
            waiting = [one for one in self._callbacks.values() if not one.answered.is_set()]
        for callback in waiting:
            callback.closed = True
            callback.answered.set()

    def _answer(self, given: dict[str, Any], outputs: list[dict[str, str]], reason: str | None) -> dict[str, Any]:
        token, request = given["CallbackToken"], given.get("ClientRequestToken") or ""
        with self._lock:
            callback = self._callbacks.get(token)
            if callback is None:
                raise AwsError("ResourceNotFound", f"No callback step has the token {token}.")
            # "An idempotent operation completes no more than one time."
            repeated = request and callback.request == request
            if callback.answered.is_set() and not repeated:
                raise AwsError("ConflictException", f"The callback step with the token {token} has ended.")
            if not repeated:
                callback.request, callback.outputs, callback.reason = request, outputs, reason
                callback.answered.set()
        return {"PipelineExecutionArn": callback.execution}
