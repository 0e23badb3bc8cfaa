"""The road from one MLflow version to another: add the new server, copy, verify, switch, and later retire the old one.

Where the road was left is told by what is deployed and by what the new server holds, so it may be broken off anywhere
and is gone on with by the same command.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_common.waiting import Clock, Progress
from mlflow_platform.upgrade.versions import Servers, Wanted, check

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.upgrade.migration import Verification
    from mlflow_platform.upgrade.terraform_root import Root

# What was logged to finished runs or registered while it was compared was not copied before, and a metric's point that
# was logged late shows in the comparison only: copy and compare again.
_ROUNDS = 3


class Moving(Protocol):
    """What moves and compares servers; see `upgrade_moving.Mover`."""

    def copy(
        self,
        source: str,
        destination: str,
        *,
        accept_losses: bool = False,
        thorough: bool = False,
        additive: bool = False,
    ) -> list[str]:
        """Copy what is new or changed; with `thorough` what no listing shows, too. Tells what stays behind."""
        ...

    def verify(self, source: str, destination: str, *, additive: bool = False) -> Verification:
        """Compare and remember."""
        ...

    def contents(self, server: str) -> str:
        """A digest of all that a server lists."""
        ...

    def verification(self, source: str, destination: str) -> Verification | None:
        """The last comparison that passed."""
        ...


class Road:
    """The road of one environment.

    Args:
        ask: puts a question to a person, and raises unless the answer is yes; None where nobody is to be asked.
    """

    def __init__(
        self,
        root: Root,
        mover: Moving,
        sagemaker: SageMakerClient,
        *,
        progress: Progress,
        clock: Clock,
        ask: Callable[[str], None] | None = None,
    ) -> None:
        self._root, self._mover, self._sagemaker = root, mover, sagemaker
        self._tell, self._clock, self._ask = progress, clock, ask

    def upgrade(self, to: str, source: str = "", *, accept_losses: bool = False) -> dict[str, Any]:
        """Make `to` the active version, with everything in it that the one active until now holds.

        Where it is active already, what was logged to the old server since is added to it, and both are compared again.

        Args:
            source: the version to copy from, where that is not plain.

        Raises:
            InputError: there is no such version, or it is not plain which one to copy from.
            PreconditionError: see `Mover.copy`; a plan was not approved.
            PlatformError: the servers differ after the copy.
        """
        check(to, "TO=3.0")
        servers = self._settled()
        if to == servers.active and not servers.retained:
            return {"server": servers.name(to), "mlflow_version": to, "changed": False}
        source = source or self._source(servers, to)
        if source == to or source not in servers.arns:
            others = ", ".join(sorted(set(servers.arns) - {to}))
            raise InputError(f"{self._root.name} has no other server of MLflow {source}: FROM takes {others}")
        if to != servers.active:
            servers = self._add(servers, to)
        old, new = servers.arns[source], servers.arns[to]
        verified = self._move(old, new, accept_losses=accept_losses, additive=to == servers.active)
        if to != servers.active:
            self._tell("copying what was logged meanwhile")
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
        """Delete a retained server, once it is named and everything in it is known to be in the active one.

        Args:
            confirmed: the names of the servers that may be deleted.

        Raises:
            InputError: it is the active one.
            PreconditionError: it was not named, not verified, or written to since.
        """
        check(version, "VERSION=2.13")
        servers = self._settled(confirmed)
        name = servers.name(version)
        if version == servers.active:
            raise InputError(f"{name} is the active server of {self._root.name}: upgrade to another version first")
        if version not in servers.arns:
            return {"retired": name, "changed": False}
        # A deletion that was broken off goes on; there is nothing left to be asked about then.
        seen = self._root.settled(name, self._sagemaker, progress=self._tell, clock=self._clock)
        if seen.status:
            if name not in confirmed:
                raise PreconditionError(
                    f"this deletes tracking server {name} with every run in it: if that is meant, say CONFIRM={name}"
                )
            self._check_verified(servers, version, running=seen.running)
        retained = frozenset(servers.retained)
        Wanted(servers.active, retained - {version}).write(self._root.file)
        asked = bool(seen.status) and self._ask is not None
        if seen.status and self._ask is not None:
            try:
                self._root.show()
                self._ask(f"Delete tracking server {name}?")
                # The answer may have taken its time, and people log meanwhile.
                self._check_verified(servers, version, running=seen.running)
            except BaseException:
                Wanted(servers.active, retained).write(self._root.file)
                raise
        self._tell(f"deleting tracking server {name}")
        self._root.apply(confirm=name, approved=asked)
        return {"retired": name, "changed": True}

    def _settled(self, confirmed: Collection[str] = ()) -> Servers:
        """The servers; an apply that was broken off is finished first, for what was wanted was decided then."""
        servers = self._root.servers()
        wanted = Wanted.read(self._root.file)
        if servers.whole or wanted is None:
            return servers
        self._tell("an apply was broken off: it is finished first")
        for version in wanted.versions:
            self._mend(version, servers.name(version))
        self._root.apply(confirm=",".join(sorted(confirmed)))
        return self._root.servers()

    def _mend(self, version: str, name: str) -> None:
        self._root.mend(version, name, self._sagemaker, progress=self._tell, clock=self._clock)

    def _source(self, servers: Servers, to: str) -> str:
        if to != servers.active:
            return servers.active
        if len(servers.retained) > 1:
            raise InputError(
                f"{to} is active already, and {' and '.join(servers.retained)} are beside it: say which one to copy "
                f"from, with FROM={servers.retained[-1]}"
            )
        return servers.retained[0]

    def _add(self, servers: Servers, to: str) -> Servers:
        wanted = Wanted(servers.active, frozenset(servers.retained) | {to})
        name = servers.name(to)
        wanted.write(self._root.file)
        self._mend(to, name)
        if to in servers.arns:
            return servers
        self._tell(f"adding tracking server {name} beside {servers.name(servers.active)} (up to 25 minutes on AWS)")
        self._root.apply()
        return self._root.servers()

    def _move(self, old: str, new: str, *, accept_losses: bool, additive: bool) -> Verification:
        for attempt in range(_ROUNDS):
            thorough = attempt > 0
            self._tell(f"copying {old} to {new}" + (", every point of every metric compared" if thorough else ""))
            self._copy(old, new, accept_losses=accept_losses, thorough=thorough, additive=additive)
            self._tell("comparing the two")
            found = self._mover.verify(old, new, additive=additive)
            if found.enough:
                if not found.passed:
                    self._tell(
                        f"they differ in {found.open} places, all of them in runs that were logged to meanwhile: once "
                        "those have ended, run the same command again"
                    )
                return found
            if attempt == _ROUNDS - 1 or (thorough and self._mover.contents(old) == found.contents):
                break
            self._tell(f"they differ in {found.differences} places: once more")
        raise PlatformError(
            f"the servers differ in {found.differences} places, so nothing was switched: see {found.report}"
        )

    def _copy(self, old: str, new: str, **how: bool) -> None:
        for loss in self._mover.copy(old, new, **how):
            self._tell(f"left behind: {loss}")

    def _switch(self, servers: Servers, to: str) -> None:
        Wanted(to, frozenset(servers.arns) - {to}).write(self._root.file)
        self._tell(f"switching the outputs of {self._root.name} to {servers.name(to)}")
        self._root.apply()

    def _check_verified(self, servers: Servers, version: str, *, running: bool) -> None:
        name, old, new = servers.name(version), servers.arns[version], servers.arns[servers.active]
        again = f"run `make upgrade {self._root.options} TO={servers.active} FROM={version}`"
        verified = self._mover.verification(old, new)
        if verified is None:
            raise PreconditionError(
                f"nobody has verified that {servers.name(servers.active)} holds all that {name} holds: {again}, which "
                "copies what is missing and compares the two"
            )
        if not running:
            raise PreconditionError(
                f"tracking server {name} does not run, so it cannot be said whether it was written to since "
                f"{verified.when}: start it with `aws sagemaker start-mlflow-tracking-server --tracking-server-name "
                f"{name}`, and try again"
            )
        if self._mover.contents(old) != verified.contents:
            raise PreconditionError(f"{name} was written to since it was verified on {verified.when}: {again} first")
