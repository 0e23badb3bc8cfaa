"""Artifacts that a tracking server serves (`mlflow server --serve-artifacts`, `mlflow-artifacts:`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote

import httpx

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.retry import PassingError, Retry, failure, with_retries
from mlflow_common.safe_path import UnsafeNameError, relative_name
from mlflow_transfer.stores.base import (
    CHUNK,
    MOST_FILES,
    GoneError,
    Item,
    Store,
    StoreFeatures,
    UnreadableError,
    UnwritableNameError,
)

_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_LARGEST_LISTING = 256 << 20  # bytes
_DEEPEST = 64  # folders
_SHOWN = 200
_LOGGED_OUT = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.PROXY_AUTHENTICATION_REQUIRED})
# MLflow refuses some names, such as `a#b`. A web server in front of it may limit the size.
_REFUSES_FILE = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE})


class Proxy:
    """Artifacts below a path of a tracking server's proxy.

    Args:
        root: the path below the server's artifact root.
        counted: called with the name of every request before it is sent; may wait for the rate limit.
        throttled: called when the server throttles a request.
    """

    features = StoreFeatures(slow_list=True)

    def __init__(
        self,
        http: httpx.Client,
        root: str,
        counted: Callable[[str], None],
        retry: Retry,
        throttled: Callable[[], None] = lambda: None,
    ) -> None:
        self._http, self._root, self._counted, self._retry = http, root.strip("/"), counted, retry
        self._throttled = throttled
        self.uri = f"mlflow-artifacts:/{self._root}"

    def list(self) -> Iterator[Item]:
        """Every file, with one call per folder."""
        folders, count = [""], 0
        while folders:
            folder = folders.pop(0)
            for path, size in self._entries(folder):
                count += 1
                if count > MOST_FILES or path.count("/") > _DEEPEST:
                    raise UnreadableError(
                        f"{self.uri} lists more than {MOST_FILES:,} files or {_DEEPEST} levels of folders"
                    )
                if size is None:
                    folders.append(path)
                else:
                    yield Item(path, size)

    def look(self, path: str) -> Item:
        """A file with its current size and tag."""
        size = dict(self._entries(relative_name(path).rpartition("/")[0])).get(path)
        if size is None:
            raise GoneError(f"{self.uri}/{path} is not there")
        return Item(path, size)

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks. Uses the route of its run or logged model if the proxy's response is interrupted.

        MLflow up to 3.0 puts a name such as `データ.csv` unencoded into a header, and its web server then closes the
        connection.
        """
        if _is_decoded(path):
            raise UnreadableError(f"{self.uri}/{path} cannot be read: {_DECODED}")
        url, started = self._url(path), False
        try:
            for chunk in self._streamed(url, {}, path):
                started = True
                yield chunk
        except httpx.RemoteProtocolError as broken:
            other = self._other_route(path)
            if started or path.isascii() or other is None:
                raise
            try:
                for chunk in self._streamed(*other, path):
                    started = True
                    yield chunk
            except PlatformError:
                if started:
                    raise
                # The other route does not serve it. Raise the error of the first one.
                raise broken from None

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Upload a file in one streamed request."""
        what = f"{self.uri}/{path} cannot be written"
        if _is_decoded(path):
            raise UnwritableNameError(f"{what}: {_DECODED}")
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._counted("PUT mlflow-artifacts")
        response = self._http.put(self._url(path), content=chunks, headers=headers)
        if response.status_code in _REFUSES_FILE:
            raise UnwritableNameError(failure(response, what).message)
        self._check(response, what)
        if _is_web_page(response):
            raise PreconditionError(f"{what}: {_LOGIN_PAGE}")

    def below(self, path: str) -> Proxy:
        """The store of a folder below this one."""
        root = "/".join(filter(None, [self._root, relative_name(path)]))
        return Proxy(self._http, root, self._counted, self._retry, self._throttled)

    def stored(self, path: str) -> tuple[Store, str]:
        """This store itself."""
        return self, path

    def _streamed(self, url: str, query: dict[str, str], path: str) -> Iterator[bytes]:
        what = f"{self.uri}/{path} cannot be read"
        self._counted("GET mlflow-artifacts")
        with self._http.stream("GET", url, params=query) as response:
            self._check(response, what, reading=True)
            # MLflow serves every artifact as an attachment, HTML files too.
            if _is_web_page(response) and "attachment" not in response.headers.get("content-disposition", ""):
                raise PreconditionError(f"{what}: {_LOGIN_PAGE}")
            yield from response.iter_bytes(CHUNK)

    def _url(self, path: str) -> str:
        return f"{_ARTIFACTS}/{quote('/'.join(filter(None, [self._root, relative_name(path)])))}"

    def _other_route(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The URL and query with which MLflow's UI reads the same file; None for a root of another form."""
        parts = self._root.split("/")
        if len(parts) < 3 or parts[-1] != "artifacts":
            return None
        if parts[-3] == "models":
            url = f"/ajax-api/2.0/mlflow/logged-models/{quote(parts[-2], safe='')}/artifacts/files"
            return url, {"artifact_file_path": path}
        return "/get-artifact", {"run_uuid": parts[-2], "path": path}

    def _entries(self, folder: str) -> Iterator[tuple[str, int | None]]:
        """The contents of a folder: files with their sizes, and folders with None."""
        what = f"{self.uri} cannot be listed"
        query = {"path": "/".join(filter(None, [self._root, folder]))}

        def ask() -> Any:
            self._counted("GET mlflow-artifacts")
            with self._http.stream("GET", _ARTIFACTS, params=query) as response:
                self._check(response, what, reading=True)
                return self._listing(response, what)

        found = with_retries(ask, self._retry, f"{what}: check that the server serves artifacts")
        for one in found:
            path = "/".join(filter(None, [folder, one[0]]))
            yield path, one[1]

    def _listing(self, response: httpx.Response, what: str) -> Sequence[tuple[str, int | None]]:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > _LARGEST_LISTING:
                raise UnreadableError(f"{what}: the answer is larger than {_LARGEST_LISTING >> 20} MB")
        if _is_web_page(response):
            raise PreconditionError(f"{what}: {_LOGIN_PAGE}")
        try:
            answer = json.loads(content)
            # An empty folder is `{}`. Any other object without files is, for example, a gateway's message.
            if answer and "files" not in answer:
                raise ValueError("no files")
            entries = [
                (str(one["path"]), None if one.get("is_dir") else int(one.get("file_size", 0)))
                for one in answer.get("files", ())
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise UnreadableError(f"{what}: the answer is not a listing of files") from None
        for name, size in entries:
            try:
                # MLflow lists one folder at a time, so each entry is a single name.
                if "/" in relative_name(name) or (size or 0) < 0:
                    raise UnsafeNameError(name, "a listing of a folder cannot contain it")
            except UnsafeNameError as error:
                if size is None:
                    raise UnreadableError(f"{what}: {error.message}") from None
        return entries

    def _check(self, response: httpx.Response, what: str, *, reading: bool = False) -> None:
        """Accept only status 200.

        Args:
            reading: a refusal concerns only this file or folder of the source.
        """
        status = response.status_code
        if status == httpx.codes.OK:
            return
        if status == httpx.codes.TOO_MANY_REQUESTS:
            self._throttled()
        if response.is_redirect:
            where = response.headers.get("location", "")[:_SHOWN]
            raise PreconditionError(f"{what}: the server redirects to {where!r}: give credentials that it accepts")
        error = failure(response, what)
        if reading and response.is_client_error and not isinstance(error, PassingError) and status not in _LOGGED_OUT:
            raise UnreadableError(error.message)
        raise error


_DECODED = "MLflow's server decodes names with %, and would use another file"
_LOGIN_PAGE = "the server answers with a web page, perhaps a login page: give credentials that it accepts"


def _is_decoded(path: str) -> bool:
    """Whether a server changes a name (`_decode` in mlflow/utils/uri.py, called by `validate_path_is_safe`)."""
    return unquote(path) != path


def _is_web_page(response: httpx.Response) -> bool:
    return "html" in response.headers.get("content-type", "").lower()
