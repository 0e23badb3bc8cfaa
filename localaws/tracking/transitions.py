"""The transitions between statuses. As on AWS, calls return before the work is done."""

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.faults import Faults
from localaws.processes import Child
from localaws.tracking.artifact_store import check_bucket
from localaws.tracking.hosted import SERVING, HostedMlflow
from localaws.tracking.launch import Launcher, StartError
from localaws.venvs import BuildError

log = logging.getLogger(__name__)
H = TypeVar("H", bound=HostedMlflow)


class Transitions(Generic[H]):
    """Runs the work of each transition in a thread of its own.

    Attributes:
        lock: held while a transition is chosen and begun.
    """

    def __init__(self, launcher: Launcher, faults: Faults, on_exit: Callable[[H], None]) -> None:
        """`on_exit` is called, with the lock held, when a process has exited unexpectedly."""
        self._launcher = launcher
        self._faults = faults
        self._on_exit = on_exit
        self._closed = False
        self.lock = threading.RLock()

    def close(self) -> None:
        """Expect that all processes end: localaws stops them."""
        self._closed = True

    def begin(self, hosted: H, status: str, done: str, failed: str, verb: str, work: Callable[[H], None]) -> None:
        """Set `status` and start the work; it ends with the status `done` or `failed`.

        Args:
            hosted: the server or App.
            status: such as `Creating`.
            done: such as `Created`; empty if nothing is left of it.
            failed: such as `CreateFailed`.
            verb: names the work in faults: `Start` for `localaws:StartTrackingServer`.
            work: may raise AwsError, BuildError, StartError or OSError.
        """
        hosted.status, hosted.reason, hosted.modified = status, "", datetime.now(UTC)
        threading.Thread(target=self._run, args=(hosted, done, failed, verb, work), daemon=True).start()

    def start(self, hosted: H) -> None:
        """Start the process: the work of several transitions.

        Raises:
            AwsError: the bucket or the role cannot be used.
            BuildError, StartError, OSError: see `Launcher.start`.
        """
        check_store(hosted)
        child = self._launcher.start(hosted)
        threading.Thread(target=self._watch, args=(hosted, child), daemon=True).start()

    def stop(self, hosted: H) -> None:
        """Stop the process and keep its database."""
        self._launcher.stop(hosted)

    def remove(self, hosted: H) -> None:
        """Stop the process and delete its database. Artifacts stay in the bucket."""
        self._launcher.stop(hosted)
        shutil.rmtree(hosted.folder, ignore_errors=True)

    def apply(self, hosted: H, changes: dict[str, Any]) -> None:
        """Set attributes. Only a new artifact store requires a restart of the process.

        Raises:
            AwsError: the new bucket cannot be used.
            BuildError, StartError, OSError: see `start`.
        """
        for attribute, value in changes.items():
            setattr(hosted, attribute, value)
        if "artifact_store" in changes:
            self.stop(hosted)
            self.start(hosted)

    def _run(self, hosted: H, done: str, failed: str, verb: str, work: Callable[[H], None]) -> None:
        try:
            self._strike(f"{verb}{hosted.fault}", hosted)
            work(hosted)
        except (AwsError, BuildError, StartError, OSError) as error:
            log.error("%s %s: %s: %s", hosted.title, hosted.name, failed, error)
            hosted.reason, hosted.status = str(error), failed
        else:
            log.info("%s %s: %s", hosted.title, hosted.name, done or "Deleted")
            hosted.status = done
        hosted.resumes_as = ""
        hosted.modified = datetime.now(UTC)

    def _strike(self, operation: str, hosted: H) -> None:
        """Apply faults such as `localaws:StartTrackingServer`, which affect the work in the background."""
        call = Call("", "", "", "", {}, None, service="localaws", operation=operation, resource=hosted.name)
        fault = self._faults.take(call)
        if fault is None:
            return
        time.sleep(fault.delay)
        if fault.error:
            raise AwsError(fault.error, fault.message)

    def _watch(self, hosted: H, child: Child) -> None:
        child.process.wait()
        with self.lock:
            if hosted.child is child and hosted.status in SERVING and not self._closed:
                log.error("%s %s: its process exited unexpectedly; see %s", hosted.title, hosted.name, child.log)
                self._on_exit(hosted)


def check_store(hosted: HostedMlflow) -> None:
    """Reject an artifact store that cannot be used.

    Raises:
        AwsError: see `check_bucket`.
    """
    check_bucket(hosted.artifact_store, hosted.region, hosted.verified_owner)


def upper(status: str) -> str:
    """Return a status as AWS's messages write it: CREATE_FAILED for `CreateFailed`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def refused(hosted: HostedMlflow, verb: str) -> AwsError:
    """Return the error for a transition that the status does not allow.

    Source of the wording: https://github.com/aws/amazon-sagemaker-feedback/issues/104
    """
    message = f"{hosted.title} with ARN {hosted.arn} is currently in status {upper(hosted.status)}, can't be {verb}."
    return AwsError("ValidationException", message)


def undeletable(hosted: HostedMlflow) -> AwsError:
    """Return the error for a deletion during another transition. The wording is that of the same thread."""
    message = f"{hosted.title} is in un-deletable state ({upper(hosted.status)}), so it cannot be deleted."
    return AwsError("ValidationException", message)
