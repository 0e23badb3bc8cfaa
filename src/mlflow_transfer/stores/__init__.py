"""Artifact stores: an S3 prefix, a folder, a tracking server that serves artifacts, a view of an archive."""

from mlflow_transfer.stores.archive import ArchiveView
from mlflow_transfer.stores.base import (
    CHUNK,
    SKIPPABLE,
    ArchiveStore,
    ChangedError,
    CopyingStore,
    GoneError,
    Item,
    LostError,
    RefusedStore,
    Store,
    StoreFeatures,
    UnreadableError,
    UnwritableNameError,
    can_copy,
)
from mlflow_transfer.stores.http import Proxy
from mlflow_transfer.stores.local import Folder
from mlflow_transfer.stores.opening import Roots, artifact_top, local_path, open_store, overlap, split_s3
from mlflow_transfer.stores.s3 import COPY_PART, LARGEST_COPY, PART, S3

__all__ = [
    "CHUNK",
    "COPY_PART",
    "LARGEST_COPY",
    "PART",
    "S3",
    "SKIPPABLE",
    "ArchiveStore",
    "ArchiveView",
    "ChangedError",
    "CopyingStore",
    "Folder",
    "GoneError",
    "Item",
    "LostError",
    "Proxy",
    "RefusedStore",
    "Roots",
    "Store",
    "StoreFeatures",
    "UnreadableError",
    "UnwritableNameError",
    "artifact_top",
    "can_copy",
    "local_path",
    "open_store",
    "overlap",
    "split_s3",
]
