"""S3: leaves bucket policies to localaws.iam, lists a bucket while others delete, reads ranges, takes any key."""

from collections.abc import Iterator
from contextvars import ContextVar
from functools import wraps
from typing import Any

from localaws.services import s3_listing
from localaws.services.context import ServiceContext


def install(_context: ServiceContext) -> None:
    """Changes moto's S3."""
    leave_policies_to_localaws()
    list_keys_while_others_delete()
    read_ranges_only()
    forget_delete_markers()
    accept_line_breaks_in_keys()
    answer_with_whole_replication_rules()
    s3_listing.install()


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


def answer_with_whole_replication_rules() -> None:
    """Lets GetBucketReplication answer with all that PutBucketReplication stored.

    moto leaves out which encrypted objects a rule selects, so Terraform would add it again in each plan.
    """
    from moto.core.responses import ActionResult
    from moto.s3.exceptions import ReplicationConfigurationNotFoundError
    from moto.s3.responses import S3Response

    def get_bucket_replication(response: Any) -> Any:
        response.data["Action"] = "GetBucketReplication"
        stored = response.backend.get_bucket_replication(response.bucket_name)
        if not stored:
            raise ReplicationConfigurationNotFoundError(bucket_name=response.bucket_name)
        rules = []
        for rule in stored["Rule"]:
            selected = {name: value or "" for name, value in (rule.get("Filter") or {}).items()}
            rules.append(
                {"DeleteMarkerReplication": {"Status": "Disabled"}, **rule, "Filter": selected or {"Prefix": ""}}
            )
        configuration = {"Role": stored["Role"], "Rules": rules}
        return response.serialized(ActionResult({"ReplicationConfiguration": configuration}))

    S3Response.get_bucket_replication = get_bucket_replication


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


def forget_delete_markers() -> None:
    """Lets a bucket with suspended versioning lose a key with a delete marker.

    moto disposes of each version of a key that it forgets, and a delete marker has no such method (moto/s3/utils.py,
    `_VersionedKeyStore.pop`). Terraform suspends versioning before it empties a bucket, and would repeat the call.
    """
    from moto.s3.models import FakeDeleteMarker

    FakeDeleteMarker.dispose = lambda _marker, _garbage=False: None


def accept_line_breaks_in_keys() -> None:
    """Lets a key contain line breaks: it is any text in UTF-8.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    moto's routes match keys with `.+`, so that such a key is answered with 404.
    """
    from moto.moto_server.utilities import RegexConverter
    from werkzeug.routing import BaseConverter

    def init(converter: Any, url_map: Any, *items: Any) -> None:
        BaseConverter.__init__(converter, url_map)
        converter.regex = f"(?s:{items[0]})"

    RegexConverter.__init__ = init


class Window:
    """The content of an object, of which only the slices that are asked for are read from the disk."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __len__(self) -> int:
        return int(self._key.contentsize)

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        with self._key.lock:
            self._key._value_buffer.seek(start)
            content: bytes = self._key._value_buffer.read(max(0, stop - start))
        return content


def read_ranges_only() -> None:
    """Lets a GET with a range read the range.

    moto reads the whole object for each range, so a large object that is read in ranges takes minutes.
    """
    from moto.s3.models import FakeKey
    from moto.s3.responses import S3Response

    ranged: ContextVar[bool] = ContextVar("ranged", default=False)
    whole: Any = FakeKey.value
    if getattr(whole.fget, "__wrapped__", None):
        return  # Another localaws in this process has replaced it already.
    respond = S3Response.key_response

    @wraps(whole.fget)
    def value(key: Any) -> Any:
        return Window(key) if ranged.get() else whole.fget(key)

    @wraps(respond)
    def key_response(self: Any, request: Any, full_url: str, headers: dict[str, Any]) -> Any:
        token = ranged.set(request.method == "GET" and "range" in request.headers)
        try:
            status, answered, content = respond(self, request, full_url, headers)
        finally:
            ranged.reset(token)
        return status, answered, content[:] if isinstance(content, Window) else content

    FakeKey.value = property(value, whole.fset)
    S3Response.key_response = key_response
