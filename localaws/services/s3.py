"""S3: leaves bucket policies to localaws.iam, and lists a bucket while other requests delete from it."""

from collections.abc import Iterator
from typing import Any

from localaws.services.context import ServiceContext


def install(_context: ServiceContext) -> None:
    """Changes moto's S3."""
    leave_policies_to_localaws()
    list_keys_while_others_delete()


def leave_policies_to_localaws() -> None:
    """Stops moto from evaluating bucket policies: `localaws.iam` does.

    moto ignores conditions (see its module moto.iam.access_control), so the usual statement that denies requests
    without TLS would deny every request.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(_bucket: FakeBucket, _action: str, _resource: str) -> Any:
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = get_permission


def list_keys_while_others_delete() -> None:
    """Keeps a listing from failing when a key is deleted meanwhile.

    moto copies the list of keys and then looks up each key again, which raises, or returns None instead of versions
    (moto/s3/utils.py, `_VersionedKeyStore`).
    """
    from moto.s3.utils import _VersionedKeyStore

    def lists(store: Any) -> Iterator[tuple[str, list[Any]]]:
        yield from ((key, versions) for key, versions in dict(store).items() if versions)

    def items(store: Any) -> Iterator[tuple[str, Any]]:
        yield from ((key, versions[-1]) for key, versions in lists(store))

    def values(store: Any) -> Iterator[Any]:
        yield from (newest for _, newest in items(store))

    for names, method in (
        (("lists", "iterlists"), lists),
        (("items", "iteritems"), items),
        (("values", "itervalues"), values),
    ):
        for name in names:
            setattr(_VersionedKeyStore, name, method)
