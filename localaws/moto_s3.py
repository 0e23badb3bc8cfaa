"""Where moto's S3 must not decide for itself."""

from collections.abc import Iterator
from typing import Any


def leave_policies_to_localaws() -> None:
    """Stops moto from judging objects by the bucket's policy.

    It ignores conditions, so that the usual "deny what is not TLS" would deny everything
    (moto.iam.access_control says so of itself). Policies are localaws.iam's to enforce.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(_bucket: FakeBucket, _action: str, _resource: str) -> Any:
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = get_permission


def list_keys_while_others_delete() -> None:
    """Stops moto from failing a listing of a bucket when a key is deleted meanwhile.

    It takes a copy of the keys to go through, and then looks each of them up in the bucket again, which raises,
    or gives None where it expects versions (moto/s3/utils.py, `_VersionedKeyStore`).
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
