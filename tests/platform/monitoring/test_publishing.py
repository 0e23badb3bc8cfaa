"""The names of metrics: every column of a model has one that MLflow accepts, and its own."""

import posixpath

import pytest

from mlflow_platform.monitoring.publishing import metric_names


def test_names_that_mlflow_accepts_stay() -> None:
    assert metric_names("monitoring/e/v", ["rows", "psi/petal length (cm)", "psi/größe"]) == {
        "rows": "monitoring/e/v/rows",
        "psi/petal length (cm)": "monitoring/e/v/psi/petal length _cm_",
        "psi/größe": "monitoring/e/v/psi/größe",
    }


@pytest.mark.parametrize(
    "column", ["", ".", "..", "a//b", "km/", "/x", "../../x", "a/./b", "a:b", "x" * 300, "x" * 225 + "/./" + "y" * 30]
)
def test_a_column_that_is_no_path_gets_a_name_that_is_one(column: str) -> None:
    (name,) = metric_names("monitoring/e/v", [f"psi/{column}"]).values()
    assert name == posixpath.normpath(name)
    assert name.startswith("monitoring/e/v/psi/")
    assert len(name) <= 250
    assert ":" not in name


def test_columns_whose_names_differ_only_in_other_characters_have_names_of_their_own() -> None:
    names = metric_names("p", ["psi/a$", "psi/a#", "psi/a%", f"psi/{'x' * 300}", f"psi/{'x' * 301}"])
    assert list(names.values())[:3] == ["p/psi/a_", "p/psi/a__2", "p/psi/a__3"]
    assert len(set(names.values())) == 5
    assert max(map(len, names.values())) == 250
