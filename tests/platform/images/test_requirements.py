"""Requirements in one normal form: equal environments have equal forms, and what an image cannot install is refused."""

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.images.requirements import normalise


@pytest.mark.parametrize(
    "text",
    [
        "mlflow==3.17.2\nscikit_learn==1.7.2\n",
        "scikit-learn==1.7.2\r\nmlflow==3.17.2\r\n",
        "# from MLflow\n\nScikit-Learn == 1.7.2   # the model\nmlflow ==3.17.2\nmlflow==3.17.2",
        "\ufeffmlflow==3.17.2\nscikit.learn==1.7.2",
        "mlflow==3.17.2\nscikit-learn\\\n  ==1.7.2\n",
    ],
)
def test_equal_requirements_have_one_form(text: str) -> None:
    assert normalise(text, "r.txt") == "mlflow==3.17.2\nscikit-learn==1.7.2\n"


def test_extras_ranges_markers_and_hashes_are_kept_in_order() -> None:
    text = (
        "mlflow[Extra_B,a]<4,>=3 ; python_version < '3.13'\n"
        "numpy==2.3.1 --hash=sha256:bb --hash=sha256:aa\n"
        "pkg @ https://example.com/pkg.whl\n"
    )
    assert normalise(text, "r.txt").splitlines() == [
        'mlflow[a,extra-b]<4,>=3 ; python_version < "3.13"',
        "numpy==2.3.1 --hash=sha256:aa --hash=sha256:bb",
        "pkg @ https://example.com/pkg.whl",
    ]


def test_options_that_name_indexes_keep_their_order_before_the_packages() -> None:
    text = "mlflow\n--extra-index-url https://b.example/simple\n-i=https://a.example/simple\n--pre"
    assert normalise(text, "r.txt").splitlines() == [
        "--extra-index-url https://b.example/simple",
        "--index-url https://a.example/simple",
        "--pre",
        "mlflow",
    ]


@pytest.mark.parametrize("package", ["mlflow", "mlflow-skinny", "MLflow_Skinny"])
def test_either_package_with_the_server_is_enough(package: str) -> None:
    assert normalise(f"{package}==3.17.2", "r")


def test_different_versions_have_different_forms() -> None:
    assert normalise("mlflow==3.17.2", "r") != normalise("mlflow==3.17.1", "r")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("scikit-learn==1.7.2", "r.txt does not install mlflow"),
        ("", "r.txt does not install mlflow"),
        ("mlflow\n./package.whl", "line 2 of r.txt is not a requirement of a package index: ./package.whl"),
        ("mlflow\n-e .", "line 2 of r.txt has an option that an image cannot use: -e ."),
        ("mlflow\n-r other.txt", "line 2 of r.txt reads another file (other.txt)"),
        ("mlflow\n-c constraints.txt", "line 2 of r.txt reads another file (constraints.txt)"),
        ("mlflow==", "line 1 of r.txt is not a requirement"),
        (
            "--index-url https://me:secret@example.com/simple\nmlflow",
            "line 1 of r.txt contains a user name or a password",
        ),
    ],
)
def test_refuses_what_an_image_cannot_install(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        normalise(text, "r.txt")
    assert complaint in refused.value.message
    assert "secret" not in refused.value.message
