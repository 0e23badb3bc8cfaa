"""The reduction of warning filters in a serving container."""

import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from mlflow_serving.warning_filters import reduce_filters


@pytest.fixture(autouse=True)
def filters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The filters of a server that imported MLflow; the test's own ones come back afterwards."""
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)
        warnings.filterwarnings("ignore", message="numpy.ufunc size changed")
        yield


def shown_of(*categories: type[Warning]) -> list[type[Warning]]:
    """The categories of which a warning is logged."""
    shown: list[type[Warning]] = []
    warnings.showwarning = lambda _message, category, *_: shown.append(category)
    for category in categories:
        warnings.warn("what", category, stacklevel=1)
    return shown


def test_one_filter_ignores_what_was_ignored_and_shows_everything_else() -> None:
    assert reduce_filters()
    assert len(warnings.filters) == 1
    [(action, _, ignored, _, _)] = warnings.filters
    assert (action, ignored) == ("ignore", (ResourceWarning, DeprecationWarning))
    shown = shown_of(DeprecationWarning, ResourceWarning, RuntimeWarning, UserWarning)
    assert shown == [RuntimeWarning, UserWarning]


class DriftWarning(UserWarning):
    """A warning of a model's own."""


def test_filters_stay_if_one_logs_a_category_whose_base_class_is_ignored() -> None:
    warnings.simplefilter("ignore")
    warnings.filterwarnings("always", category=DriftWarning)
    before = list(warnings.filters)
    assert not reduce_filters()
    assert warnings.filters == before


def test_reduced_filters_stay() -> None:
    assert reduce_filters()
    before = list(warnings.filters)
    assert not reduce_filters()
    assert warnings.filters == before


def test_the_first_of_several_filters_decides() -> None:
    warnings.simplefilter("always", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("always", DriftWarning, append=True)
    warnings.simplefilter("ignore", DriftWarning, append=True)
    assert reduce_filters()
    assert shown_of(DeprecationWarning, UserWarning, DriftWarning, ResourceWarning) == [DeprecationWarning]


def test_a_forest_predicts_with_the_reduced_filters() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    forest = RandomForestClassifier(5, random_state=0).fit(rows, [0, 1, 0, 1])
    before = forest.predict_proba(rows)
    assert reduce_filters()
    assert np.array_equal(forest.predict_proba(rows), before)


def test_filters_of_the_operator_and_those_that_raise_errors_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "warnoptions", ["default"])
        assert not reduce_filters()
    warnings.simplefilter("error", RuntimeWarning)
    before = list(warnings.filters)
    assert not reduce_filters()
    assert warnings.filters == before
