"""Every join of a path with a variable name uses `safe_path`, or has a reason why the name is safe."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "localaws", "scripts", "training", "serving", "terraform")
_METHODS = {"joinpath", "with_name", "extract", "extractall"}

NUMBERS = "a division of numbers"
OPERATOR = "the operator's own name of an environment or folder, checked by its own pattern"
LISTED = "names from the operating system's listing of that folder, which contain no slash"
OWN = "a name that this program creates"
CHECKED = "a name that passed AWS's patterns or the service's own checks: no slash, not only dots"
DEVELOPER = "files of the developer's own checkout"

# A file, the join or `*` for all of its joins, and why the name on the right is safe.
REASONS = {
    ("src/mlflow_common/retry.py", "*"): NUMBERS,
    ("src/mlflow_common/safe_path.py", "path / part"): "the one place that joins outside names, after its checks",
    ("src/mlflow_platform/bootstrap.py", "*"): OPERATOR,
    **{
        (f"src/mlflow_platform/monitoring/{name}.py", "*"): NUMBERS
        for name in ("charts", "columns", "distances", "drift")
    },
    ("src/mlflow_platform/monitoring/quality.py", "*"): NUMBERS,
    ("src/mlflow_platform/comparison/charts.py", "*"): NUMBERS,
    ("src/mlflow_platform/endpoints/status.py", "*"): NUMBERS,
    ("src/mlflow_platform/images/context.py", "*"): OWN,
    **{(f"src/mlflow_platform/proving/{name}.py", "*"): OWN for name in ("commands", "session", "workspace")},
    ("src/mlflow_platform/proving/removal.py", "*"): OWN,
    ("src/mlflow_platform/compatibility/measuring.py", "*"): OWN,
    **{(f"src/mlflow_platform/proving/{name}.py", "*"): NUMBERS for name in ("budget", "checks")},
    ("localaws/algorithms/built_in.py", "folder / TRAIN.name"): OWN,
    ("localaws/algorithms/xgboost_train.py", "base / 'input' / 'data' / name"): OWN,
    ("src/mlflow_platform/site/building.py", "*"): LISTED,
    ("src/mlflow_platform/site/pages.py", "*"): "only asks whether a file of the checkout exists",
    ("src/mlflow_platform/sweeps/job_files.py", "*"): OWN,
    ("src/mlflow_platform/sweeps/space.py", "*"): NUMBERS,
    ("src/mlflow_platform/monthly_cost/builds.py", "*"): NUMBERS,
    ("src/mlflow_platform/outputs.py", "*"): OPERATOR,
    ("src/mlflow_platform/plan_guard/running_hours.py", "*"): NUMBERS,
    ("src/mlflow_platform/upgrade/migration.py", "*"): "server names of ARNs that matched the pattern of an ARN",
    ("src/mlflow_platform/upgrade/terraform_root.py", "*"): OPERATOR,
    ("src/mlflow_platform/upgrade/versions.py", "*"): OWN,
    ("src/mlflow_platform/validation/charts.py", "*"): NUMBERS,
    ("src/mlflow_platform/validation/local_model.py", "self.equal / self.rows"): NUMBERS,
    ("src/mlflow_platform/validation/scoring.py", "*"): NUMBERS,
    ("src/mlflow_transfer/cli.py", "*"): "a digest",
    ("src/mlflow_transfer/client.py", "*"): NUMBERS,
    ("src/mlflow_transfer/planning.py", "*"): NUMBERS,
    ("src/mlflow_transfer/progress_bars.py", "*"): NUMBERS,
    ("src/mlflow_transfer/rate.py", "*"): NUMBERS,
    ("src/mlflow_transfer/sources/filestore_records.py", "folder / 'aliases' / alias"): LISTED,
    ("src/mlflow_transfer/sources/filestore_files.py", "Path(place, name)"): LISTED,
    ("src/mlflow_transfer/sources/filestore_files.py", "Path(place, one)"): LISTED,
    ("src/mlflow_transfer/stores/local.py", "Path(folder, name)"): LISTED,
    ("src/mlflow_transfer/stores/local.py", "target.with_name(name)"): OWN,
    (
        "localaws/builds/builder.py",
        "*",
    ): "ids that localaws creates, and the buildspec's path, which the developer sets",
    ("localaws/alarms.py", "*"): NUMBERS,
    ("localaws/quotas/cloudwatch.py", "*"): NUMBERS,
    ("localaws/builds/python.py", "*"): OWN,
    ("localaws/builds/tools.py", "*"): OWN,
    ("localaws/images/docker_command.py", "*"): "the build's own tag, without slashes",
    ("localaws/images/plain_image.py", "*"): OWN,
    ("localaws/registry/blobs.py", "*"): CHECKED,
    ("localaws/endpoints/launcher.py", "*"): CHECKED,
    ("localaws/functions/bootstrap.py", "folder / name"): OWN,
    ("localaws/functions/functions.py", "folder / name"): OWN,
    ("localaws/functions/functions.py", "self._folder / request"): OWN,
    **{
        (f"localaws/endpoints/{name}.py", "*"): NUMBERS
        for name in ("async_queue", "autoscaling", "hosting", "metrics", "rollout", "scaling", "shadow", "shift")
    },
    ("localaws/jobs/container.py", "interpreter.parent.parent / 'lib' / version"): OWN,
    (
        "localaws/jobs/container.py",
        "folder / 'ml' / path.removeprefix(base).lstrip('/')",
    ): "the job's own command, which runs with the developer's rights",
    ("localaws/jobs/jobs.py", "*"): CHECKED,
    ("localaws/jobs/processing.py", "*"): OWN,
    ("localaws/jobs/storage.py", "Path(directory, name)"): LISTED,
    ("localaws/jobs/training.py", "*"): CHECKED,
    ("localaws/pipelines/steps.py", "*"): NUMBERS,
    ("localaws/state_machines.py", "seconds / speed"): NUMBERS,
    ("localaws/mirror.py", "*"): DEVELOPER,
    ("localaws/processes.py", "*"): OWN,
    ("localaws/state/files.py", "*"): DEVELOPER,
    ("localaws/state/named.py", "*"): CHECKED,
    ("localaws/tracking/releases.py", "*"): OWN,
    ("localaws/tracking/hosted.py", "*"): CHECKED,
    ("localaws/venvs.py", "*"): OWN,
    ("scripts/demo.py", "REPOSITORY / validated['report']"): OWN,
    ("scripts/lib/compatibility_client.py", "1.0 / step"): NUMBERS,
    ("scripts/monitor.py", "Path('reports', endpoint, 'monitoring.html')"): CHECKED,
    ("scripts/validate_endpoint.py", "_REPORTS / endpoint.name"): CHECKED,
    ("training/job.py", "*"): "what SageMaker wrote about the job, and the job's own project",
    ("training/models.py", "*"): NUMBERS,
    ("training/prepared.py", "*"): OWN,
    ("training/record.py", "*"): OWN,
    ("training/tune.py", "*"): NUMBERS,
    ("terraform/module/serving/monitoring/run.py", "*"): "the job's own code, which it runs",
}


def is_fixed(node: ast.expr) -> bool:
    """Whether an expression is a constant, the name of a constant, or a name that `safe_path` has checked."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in {"relative_name", "safe_name"}
    if isinstance(node, ast.BinOp):
        return is_fixed(node.left) and is_fixed(node.right)
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
    return isinstance(node, ast.Constant) or (name is not None and name.isupper())


def joins(code: str) -> Iterator[str]:
    """The joins in a module with a variable right side, and its tar extractions."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not is_fixed(node.right):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            first = 1 if function in {"Path", "os.path.join"} else 0
            joining = first or function.rpartition(".")[2] in _METHODS
            if joining and not all(map(is_fixed, node.args[first:])):
                yield ast.unparse(node)


def found() -> set[tuple[str, str]]:
    return {
        (path.relative_to(REPOSITORY).as_posix(), join)
        for folder in FOLDERS
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix == ".py" or path.name == "serve"
        for join in joins(path.read_text())
    }


def test_every_path_join_with_an_outside_name_is_checked() -> None:
    unexplained = [one for one in sorted(found()) if one not in REASONS and (one[0], "*") not in REASONS]
    assert unexplained == [], "join with mlflow_common.safe_path.below, or add the reason why the name is safe"


@pytest.mark.parametrize(
    "code",
    ["folder / item.path", "folder / run_id / 'x'", "folder.joinpath(name)", "Path(folder, key)",
     "path.with_name(name)", "tar.extractall(folder)", "os.path.join(folder, key)", "folder / f'{run_id}.json'"],
)  # fmt: skip
def test_the_check_finds_joins_that_bypass_it(code: str) -> None:
    assert list(joins(code)) != []


@pytest.mark.parametrize("code", ["folder / 'x'", "below(folder, name)", "folder / NAME", "root / relative_name(name)"])
def test_the_check_accepts_fixed_and_checked_names(code: str) -> None:
    assert list(joins(code)) == []
