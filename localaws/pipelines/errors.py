"""How a step of a pipeline ends without success."""


class StepError(Exception):
    """A step failed. `kind` is the exception type for retry policies, "" if none covers it."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind


class StoppedError(Exception):
    """The step was stopped."""
