"""Predicts the rows of waiting requests together, in one thread.

The time of a prediction hardly depends on its number of rows, and threads that predict at the same time compete for
Python's interpreter lock. So one thread takes all requests that wait, predicts their rows in one call, and hands each
request its part. A request never waits for others to arrive: when nothing else waits, it is predicted alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

# Bounds the time that a small request can spend behind others, and the memory of one call.
MAX_ROWS = 8192

Predict = Callable[[pd.DataFrame], Any]


class NotRowWiseError(Exception):
    """The model did not answer one prediction for each row."""


@dataclass
class _Request:
    item: Any
    answer: Future[Any] = field(default_factory=Future)
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)


class Batcher:
    """Answers items in one thread: reads them, predicts several at once, encodes each one's part.

    All three steps run in that thread: threads that parse while another one predicts compete for the interpreter lock,
    which costs both several milliseconds for each request.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        read: Callable[[Any], pd.DataFrame | None] = lambda item: item,
        encode: Callable[[Any], Any] = lambda predictions: predictions,
        max_rows: int = MAX_ROWS,
    ) -> None:
        """Start the thread.

        Args:
            predict: predictions for a frame, one for each row.
            read: an item's frame; None if the item cannot be answered here.
            encode: the answer made of an item's predictions.
        """
        self._predict = predict
        self._read = read
        self._encode = encode
        self._max_rows = max_rows
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="predictions", daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> Future[Any]:
        """The future answer; None if `read` gave none. It raises what `predict` raises for this item alone."""
        request = _Request(item)
        self._waiting.put(request)
        return request.answer

    def close(self) -> None:
        """End the thread after the requests that wait."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        later: _Request | None = None
        while True:
            request = later or self._waiting.get()
            if request is None:
                return
            if later is None and not self._prepare(request):
                continue
            batch, later = self._gather(request)
            self._answer(batch)

    def _gather(self, first: _Request) -> tuple[list[_Request], _Request | None]:
        """The requests that wait and can be predicted with the first one, and one that cannot."""
        batch, rows = [first], len(first.frame)
        while rows < self._max_rows:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._waiting.put(None)
                break
            if not self._prepare(request):
                continue
            rows += len(request.frame)
            if rows > self._max_rows or not _alike(first.frame, request.frame):
                return batch, request
            batch.append(request)
        return batch, None

    def _prepare(self, request: _Request) -> bool:
        """Whether a request has to be predicted: it was not cancelled, and its item can be read."""
        if not request.answer.set_running_or_notify_cancel():
            return False
        frame = self._read(request.item)
        if frame is None:
            request.answer.set_result(None)
            return False
        request.frame = frame
        return True

    def _answer(self, batch: list[_Request]) -> None:
        if len(batch) > 1:
            try:
                answers = [self._encode(part) for part in self._predict_together(batch)]
            except (Exception, SystemExit):
                # Each request is predicted alone below, and gets its own error.
                answers = None
            if answers is not None:
                for request, answer in zip(batch, answers, strict=True):
                    request.answer.set_result(answer)
                return
        for request in batch:
            try:
                request.answer.set_result(self._encode(self._predict(request.frame)))
            except Exception as error:
                request.answer.set_exception(error)
            except SystemExit as error:
                # It would end this thread, and no request would be answered any more.
                request.answer.set_exception(RuntimeError(f"the model called sys.exit({error.code!r})"))

    def _predict_together(self, batch: list[_Request]) -> list[Any]:
        frame = pd.concat([request.frame for request in batch], ignore_index=True)
        return split(self._predict(frame), [len(request.frame) for request in batch])


def split(predictions: Any, lengths: list[int]) -> list[Any]:
    """The predictions of consecutive groups of rows.

    Args:
        predictions: one for each row: an array, a series, a frame or a list.
        lengths: the number of rows of each group.

    Raises:
        NotRowWiseError: there is not one prediction for each row.
    """
    if not isinstance(predictions, np.ndarray | pd.Series | pd.DataFrame | list) or len(predictions) != sum(lengths):
        raise NotRowWiseError
    ends = np.cumsum(lengths).tolist()
    spans = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    if isinstance(predictions, pd.Series | pd.DataFrame):
        return [predictions.iloc[span] for span in spans]
    return [predictions[span] for span in spans]


def is_row_wise(predict: Predict, frame: pd.DataFrame) -> bool:
    """Whether predicting a frame's rows together gives, bit for bit, what predicting each of them alone gives."""
    try:
        together = split(predict(frame), [1] * len(frame))
        alone = [predict(frame.iloc[[row]].reset_index(drop=True)) for row in range(len(frame))]
    except Exception:
        # A model that cannot predict this frame is not known to be row-wise.
        return False
    return all(_equal(one, other) for one, other in zip(together, alone, strict=True))


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return bool(one.columns.equals(other.columns)) and list(one.dtypes) == list(other.dtypes)


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.Series | pd.DataFrame):
        return bool(one.reset_index(drop=True).equals(other.reset_index(drop=True)))
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    return bool(one == other)
