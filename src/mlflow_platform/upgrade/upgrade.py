"""Moves an environment to another MLflow version: add a server, copy, verify, switch, and later retire the old one.

Progress is derived from what is deployed and from what the new server holds. Run the same command again to resume.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_common.waiting import Clock, Progress
from mlflow_platform.upgrade.versions import Desired, Servers, check

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.upgrade.migration import Verification
    from mlflow_platform.upgrade.terraform_root import Root

# What people log to finished runs or register during a comparison was not copied before it. A point that was logged for
# an earlier step shows only in a comparison. Both are copied in another round.
_ROUNDS = 3


class Migration(Protocol):
    """Copies and compares servers; see `migration.Migrator`."""

    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        in_use: bool = False,
    ) -> list[str]:
        """Copy what is new or changed, and return what is lost. With `thorough`, also what no listing shows."""
        ...

    def verify(
        self, source: str, destination: str, *, accept_losses: bool = False, in_use: bool = False
    ) -> Verification:
        """Compare, and remember the outcome."""
        ...

    def contents(self, server: str) -> str:
        """A digest of everything that a server lists."""
        ...

    def verification(self, source: str, destination: str) -> Verification | None:
        """The last comparison that passed."""
        ...


class Upgrade:
    """The upgrade of one environment.

    Args:
        ask: puts a question to a person, and raises unless the answer is yes; None to continue without a question.
    """

    def __init__(
        self,
        root: Root,
        migrator: Migration,
        sagemaker: SageMakerClient,
        *,
        progress: Progress,
        clock: Clock,
        ask: Callable[[str], None] | None = None,
    ) -> None:
        self._root, self._migrator, self._sagemaker = root, migrator, sagemaker
        self._progress, self._clock, self._ask = progress, clock, ask

    def run(self, to: str, source: str = "", *, accept_losses: bool = False) -> dict[str, Any]:
        """Make `to` the active version, with everything that the version which is active now holds.

        If `to` is active already, what was logged to the old server since is added, and both are compared again.

        Args:
            source: the version to copy from, if several are retained.

        Raises:
            InputError: there is no such version, or it is not clear which one to copy from.
            PreconditionError: see `Migrator.copy`; or a plan was not approved.
            PlatformError: the servers differ after the copy.
        """
        check(to, "TO=3.0")
        servers = self._settled()
        if to == servers.active and not servers.retained:
            return {"server": servers.name(to), "mlflow_version": to, "changed": False}
        source = source or self._source(servers, to)
        if source == to or source not in servers.arns:
            others = ", ".join(sorted(set(servers.arns) - {to}))
            raise InputError(f"{self._root.name} has no other server of MLflow {source}: choose FROM from {others}")
        if to != servers.active:
            servers = self._add(servers, to)
        old, new = servers.arns[source], servers.arns[to]
        verified = self._move(old, new, accept_losses=accept_losses, in_use=to == servers.active)
        if to != servers.active:
            self._progress("copying what was logged during the comparison")
            self._copy(old, new, accept_losses=accept_losses)
            self._switch(servers, to)
        return {
            "server": servers.name(to),
            "mlflow_version": to,
            "changed": to != servers.active,
            "tracking_uri": new,
            "verified": verified.when,
            "still_logged": verified.open,
            "report": verified.report,
            "kept": servers.name(source),
        }

    def back(self, to: str) -> dict[str, Any]:
        """Make a retained server the active one again. Nothing is copied.

        Raises:
            InputError: no such server is retained.
        """
        check(to, "TO=2.13")
        servers = self._settled()
        if to not in servers.arns:
            kept = ", ".join(servers.retained) or "none"
            raise InputError(f"{self._root.name} has no server of MLflow {to} to go back to: it retains {kept}")
        if to != servers.active:
            self._switch(servers, to)
        return {
            "server": servers.name(to),
            "mlflow_version": to,
            "changed": to != servers.active,
            "tracking_uri": servers.arns[to],
        }

    def retire(self, version: str, confirmed: Collection[str]) -> dict[str, Any]:
        """Delete a retained server, once its name is given and everything in it was found in the active one.

        Args:
            confirmed: the names of the servers that may be deleted.

        Raises:
            InputError: it is the active server.
            PreconditionError: its name was not given, it was not verified, or it was written to since.
        """
        check(version, "VERSION=2.13")
        servers = self._settled(confirmed)
        name = servers.name(version)
        if version == servers.active:
            raise InputError(f"{name} is the active server of {self._root.name}: upgrade to another version first")
        if version not in servers.arns:
            return {"retired": name, "changed": False}
        # An interrupted deletion goes on. Nothing is left to ask about then.
        seen = self._root.settled(name, self._sagemaker, progress=self._progress, clock=self._clock)
        if seen is not None:
            if name not in confirmed:
                raise PreconditionError(
                    f"this deletes tracking server {name} with every run in it: to do that, add CONFIRM={name}"
                )
            self._check_verified(servers, version, running=seen.running)
        retained = frozenset(servers.retained)
        Desired(servers.active, retained - {version}).write(self._root.file)
        approved = seen is not None and self._ask is not None
        if seen is not None and self._ask is not None:
            try:
                self._root.show()
                self._ask(f"Delete tracking server {name}?")
                # People may have logged something before the answer came.
                self._check_verified(servers, version, running=seen.running)
            except BaseException:
                Desired(servers.active, retained).write(self._root.file)
                raise
        self._progress(f"deleting tracking server {name}")
        self._root.apply(confirm=name, approved=approved)
        return {"retired": name, "changed": True}

    def _settled(self, confirmed: Collection[str] = ()) -> Servers:
        """The servers. An interrupted apply is finished first, with the servers that it was to make."""
        servers = self._root.servers()
        desired = Desired.read(self._root.file)
        if servers.whole or desired is None:
            return servers
        self._progress("finishing an interrupted apply first")
        for version in desired.versions:
            self._repair(version, servers.name(version))
        self._root.apply(confirm=",".join(sorted(confirmed)))
        return self._root.servers()

    def _repair(self, version: str, name: str) -> None:
        self._root.repair(version, name, self._sagemaker, progress=self._progress, clock=self._clock)

    def _source(self, servers: Servers, to: str) -> str:
        if to != servers.active:
            return servers.active
        if len(servers.retained) > 1:
            raise InputError(
                f"{to} is active already, and {' and '.join(servers.retained)} are retained: choose the one to copy "
                f"from, such as FROM={servers.retained[-1]}"
            )
        return servers.retained[0]

    def _add(self, servers: Servers, to: str) -> Servers:
        desired = Desired(servers.active, frozenset(servers.retained) | {to})
        name = servers.name(to)
        desired.write(self._root.file)
        self._repair(to, name)
        if to in servers.arns:
            return servers
        self._progress(f"adding tracking server {name} beside {servers.name(servers.active)} (up to 25 minutes on AWS)")
        self._root.apply()
        return self._root.servers()

    def _move(self, old: str, new: str, *, accept_losses: bool, in_use: bool) -> Verification:
        for attempt in range(_ROUNDS):
            thorough = attempt > 0
            self._progress(
                f"copying {old} to {new}" + (", and comparing every point of every metric" if thorough else "")
            )
            self._copy(old, new, accept_losses=accept_losses, thorough=thorough, in_use=in_use)
            self._progress("comparing the two servers")
            found = self._migrator.verify(old, new, accept_losses=accept_losses, in_use=in_use)
            if found.enough:
                if not found.passed:
                    self._progress(
                        f"they differ in {found.open} places, all of them in runs that people still log to: run the "
                        "same command again after those runs have ended"
                    )
                return found
            if not found.differences:
                raise PlatformError(
                    f"{found.unread} things could not be read, so nothing was switched: see {found.report}, or give "
                    "ARGS=--accept-losses to go on without them"
                )
            if attempt == _ROUNDS - 1 or (thorough and self._migrator.contents(old) == found.contents):
                break
            self._progress(f"they differ in {found.differences} places: copying again")
        raise PlatformError(
            f"the servers differ in {found.differences} places, so nothing was switched: see {found.report}"
        )

    def _copy(self, old: str, new: str, **how: bool) -> None:
        for loss in self._migrator.copy(old, new, **how):
            self._progress(f"lost: {loss}")

    def _switch(self, servers: Servers, to: str) -> None:
        Desired(to, frozenset(servers.arns) - {to}).write(self._root.file)
        self._progress(f"switching the outputs of {self._root.name} to {servers.name(to)}")
        self._root.apply()

    def _check_verified(self, servers: Servers, version: str, *, running: bool) -> None:
        name, old, new = servers.name(version), servers.arns[version], servers.arns[servers.active]
        again = f"run `make upgrade {self._root.options} TO={servers.active} FROM={version}`"
        verified = self._migrator.verification(old, new)
        if verified is None:
            raise PreconditionError(
                f"it is not verified that {servers.name(servers.active)} holds everything of {name}: {again}, which "
                "copies what is missing and compares the two"
            )
        if not running:
            raise PreconditionError(
                f"tracking server {name} is stopped, so it is not known whether it was written to since "
                f"{verified.when}: start it with `aws sagemaker start-mlflow-tracking-server --tracking-server-name "
                f"{name}` and try again"
            )
        if self._migrator.contents(old) != verified.contents:
            raise PreconditionError(f"{name} was written to since it was verified on {verified.when}: {again} first")
