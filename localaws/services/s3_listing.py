"""ListObjects in pages, and its tokens. moto repeats all common prefixes on every page, and does not encode them.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html: "All of the keys (up to 1,000) rolled up in a
common prefix count as a single return when calculating the number of returns", and NextMarker "is returned only if you
have the delimiter request parameter specified".
"""

from functools import wraps
from typing import Any
from urllib.parse import quote

from localaws.moto_methods import original


def install() -> None:
    """Replaces moto's ListObjects by one that has the pages of its ListObjectsV2."""
    from moto.s3.exceptions import InvalidContinuationToken
    from moto.s3.models import S3Backend
    from moto.s3.responses import S3Response

    list_v2 = original(S3Backend.list_objects_v2)

    @wraps(list_v2)
    def list_objects_v2(self: Any, *given: Any, continuation_token: str | None, **more: Any) -> Any:
        if continuation_token and continuation_token not in self._pagination_tokens:
            raise InvalidContinuationToken
        return list_v2(self, *given, continuation_token=continuation_token, **more)

    S3Backend.list_objects_v2 = list_objects_v2
    S3Response.list_objects = list_objects


def list_objects(response: Any) -> Any:
    """Answers ListObjects."""
    from moto.core.responses import ActionResult
    from moto.settings import get_s3_default_max_keys

    given = {name: values[0] for name, values in response._get_querystring(response.request, response.uri).items()}
    bucket, encoding = response.backend.get_bucket(response.bucket_name), given.get("encoding-type")
    count, delimiter = int(given.get("max-keys", get_s3_default_max_keys())), given.get("delimiter")
    entries, is_truncated, _ = response.backend.list_objects_v2(
        bucket=bucket,
        prefix=given.get("prefix"),
        delimiter=delimiter,
        continuation_token=None,
        start_after=given.get("marker"),
        max_keys=count,
    )
    keys, prefixes = response._split_truncated_keys(entries)

    def encoded(name: str) -> str:
        return quote(name) if encoding == "url" else name

    result: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": encoded(given.get("prefix", "")),
        "Marker": encoded(given.get("marker", "")),
        "MaxKeys": count,
        "IsTruncated": is_truncated,
        "Contents": [_summary(key, encoded(key.name)) for key in keys],
        "CommonPrefixes": [{"Prefix": encoded(prefix)} for prefix in prefixes],
        "Delimiter": delimiter,
        "EncodingType": encoding,
    }
    if is_truncated and delimiter:
        last = entries[-1]
        result["NextMarker"] = encoded(last if isinstance(last, str) else last.name)
    response.data["Action"] = "ListObjects"
    return response.serialized(ActionResult({name: value for name, value in result.items() if value is not None}))


def _summary(key: Any, name: str) -> dict[str, Any]:
    from moto.s3.models import OWNER

    return {
        "Key": name,
        "LastModified": key.last_modified_ISO8601,
        "ETag": key.etag,
        "Size": key.size,
        "StorageClass": key.storage_class,
        "Owner": {"ID": OWNER, "DisplayName": "webfile"},
    }
