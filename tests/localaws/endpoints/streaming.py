"""A continuous load on an endpoint."""

import threading
import time

from tests.localaws.endpoints.hosted import Hosted


class Stream:
    """Invokes an endpoint continuously from two threads."""

    # A row for which the model returns this variable of the container's environment.
    BODY = '{"dataframe_records": [{"variable": "GREETING"}]}'

    def __init__(self, hosted: Hosted, name: str) -> None:
        self._hosted = hosted
        self._name = name
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._invoke) for _ in range(2)]
        self._latest: list[tuple[float, float, list[str]]] = []
        self.failures: list[Exception] = []

    @property
    def answers(self) -> list[list[str]]:
        """Return the answers in order, without consecutive duplicates.

        The two threads' requests overlap, so the server may handle them in either order. An answer counts again only if
        its request began after another answer had arrived.
        """
        groups: list[tuple[list[str], float]] = []
        for began, ended, answer in sorted(self._latest, key=lambda item: item[1]):
            if groups and groups[-1][0] == answer:
                continue
            if len(groups) > 1 and groups[-2][0] == answer and began < groups[-1][1]:
                continue
            groups.append((answer, ended))
        return [answer for answer, _ in groups]

    def __enter__(self) -> "Stream":
        for thread in self._threads:
            thread.start()
        while not self._latest and not self.failures:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.2)
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _invoke(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                answer = self._hosted.predict(self._name, self.BODY)
                with self._lock:
                    self._latest.append((began, time.monotonic(), answer))
                time.sleep(0.01)  # Leave CPU time to the fleet that is starting.
            except Exception as error:
                self.failures.append(error)
                time.sleep(0.1)

    def until_answered(self, answer: str, seconds: float = 120) -> None:
        """Wait until an answer has arrived."""
        deadline = time.monotonic() + seconds
        while not any(found == [answer] for _, _, found in self._latest):
            if time.monotonic() > deadline:
                raise TimeoutError(answer)
            time.sleep(0.01)
