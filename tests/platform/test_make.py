"""`make`: values of variables reach the commands as they are. Neither make nor a shell evaluates them.

In a copy whose Python and Terraform script only record what they are called with.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

# Records its arguments and the variables that commands read. Really runs only the script that splits ARGS.
RECORDER = f"""\
#!/bin/sh
'''exec' {shlex.quote(sys.executable)} -IS "$0" "$@"
' '''
import json, os, sys
if sys.argv[1:3] == ["-I", "scripts/lib/with_args.py"]:
    os.execv({sys.executable!r}, [{sys.executable!r}, "-S", *sys.argv[1:]])
names = ("ENV", "LOCAL", "CONFIRM", "AUTO_APPROVE", "SMOKE_ENV", "SMOKE_LOCAL")
with open("recorded", "a") as file:
    file.write(json.dumps([sys.argv, {{name: os.environ.get(name) for name in names}}]) + "\\n")
if "archive" in sys.argv:
    print("s3://bucket/backups")
"""
# Each would create a file "touched" in the checkout if make or a shell evaluated it.
HOSTILE = (
    "$(touch touched) $(shell touch touched) $$(touch touched) ${T:=$(touch touched)} `touch touched`"
    "\\$(touch touched)\\ ' ; touch touched ; '",
    '模型\ntouch touched && touch touched | touch touched > touched * " ; touch touched ; # "',
    "--help",
)
Call = tuple[list[str], dict[str, str | None]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the Makefile, where setup is done and every command is a recorder."""
    for name in ("scripts/lib", ".venv/bin", "localaws/servers"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("Makefile", "scripts/lib/with_args.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in ("requirements.lock", "pyproject.toml", "scripts/setup.sh", "localaws/servers/mlflow-3.0.lock"):
        (tmp_path / name).touch()
    for name in (".venv/bin/python", ".venv/bin/pytest", "scripts/terraform.sh", "scripts/check.sh", "scripts/test.sh"):
        (tmp_path / name).write_text(RECORDER)
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".venv/.ready").touch()
    return tmp_path


def make(copy: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    # Remove the variables that a make process around the tests exports.
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=copy,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def calls(copy: Path) -> list[Call]:
    """The recorded calls: arguments (the program's name first) and variables."""
    lines = (copy / "recorded").read_text().splitlines()
    return [(arguments, variables) for arguments, variables in map(json.loads, lines)]


def the_calls(copy: Path, *arguments: str, **environ: str) -> list[Call]:
    """The commands that one make runs for the targets, in their order."""
    done = make(copy, *arguments, **environ)
    assert not (copy / "touched").exists()
    assert (done.returncode, done.stderr) == (0, "")
    return calls(copy)


def the_call(copy: Path, *arguments: str, **environ: str) -> Call:
    [found] = the_calls(copy, *arguments, **environ)
    return found


# The variables of each make target, and the words of its command that contain their values.
WORDS = {
    "log-run": {"ENV": "--env={}", "MODEL": "--dataset={}", "ALIAS": "--alias={}"},
    "image": {"ENV": "--env={}", "MODEL": "models:/{}@{}", "ALIAS": "models:/{}@{}"},
    "sweep": {"ENV": "--env={}", "MODEL": "--dataset={}"},
    "pipeline": {"ENV": "--env={}", "MODEL": "--data={}"},
    "promote": {"ENV": "--env={}", "MODEL": "--register={}", "ALIAS": "--alias={}", "METRIC": "--metric={}"},
    "batch-predict": {"ENV": "--env={}", "MODEL": "models:/{}@{}", "DATA": "{}"},
    "monitor": {"ENV": "--env={}"},
    "doctor": {"ENV": "--env={}"},
    "cost": {"ENV": "--env={}"},
    "prove": {"ENV": "--env={}"},
    "clean-up": {"ENV": "--env={}"},
    "deploy": {"ENV": "--env={}", "MODEL": "models:/{}@{}", "ALIAS": "models:/{}@{}"},
    "validate": {"ENV": "--env={}", "MODEL": "models:/{}@{}", "ALIAS": "models:/{}@{}"},
    "server": {"ENV": "--env={}"},
    "apply": {"ENV": "{}"},
    "output": {"ENV": "{}"},
    "upgrade": {"ENV": "--env={}", "TO": "--to={}", "FROM": "--from={}"},
    "retire": {"ENV": "--env={}", "VERSION": "--version={}"},
    "backup": {"ENV": "env:{}", "ARCHIVE": "{}"},
    "restore": {"ENV": "env:{}", "ARCHIVE": "{}"},
}


@pytest.mark.parametrize("value", HOSTILE)
def test_values_are_passed_on_literally(copy: Path, value: str) -> None:
    variables = {variable for words in WORDS.values() for variable in words}
    found = the_calls(copy, *WORDS, *(f"{variable}={value}" for variable in variables))
    assert len(found) == len(WORDS)
    for (verb, words), (arguments, _) in zip(WORDS.items(), found, strict=True):
        assert {word.format(value, value) for word in words.values()} <= set(arguments), verb


def test_values_from_the_environment_are_passed_on_literally(copy: Path) -> None:
    for value in HOSTILE:
        found, _ = the_call(copy, "log-run", **dict.fromkeys(WORDS["log-run"], value))
        assert {word.format(value) for word in WORDS["log-run"].values()} <= set(found)
        (copy / "recorded").unlink()


@pytest.mark.parametrize("value", HOSTILE)
def test_backup_asks_for_the_archive_of_that_environment(copy: Path, value: str) -> None:
    assert make(copy, "backup", f"ENV={value}").returncode == 0
    [question, backup] = calls(copy)
    assert question[0][1:] == ["scripts/server.py", "archive", f"--env={value}"]
    assert backup[0][1:] == ["scripts/transfer.py", "backup", "--", f"env:{value}", "s3://bucket/backups"]
    assert not (copy / "touched").exists()


@pytest.mark.parametrize("value", HOSTILE)
def test_confirm_is_passed_on_literally(copy: Path, value: str) -> None:
    assert the_call(copy, "destroy", f"CONFIRM={value}")[1]["CONFIRM"] == value


@pytest.mark.parametrize("value", HOSTILE)
def test_smoke_passes_the_environment_on_literally(copy: Path, value: str) -> None:
    assert the_call(copy, "smoke", f"ENV={value}", "LOCAL=1")[1]["SMOKE_ENV"] == value


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("switch", ["LOCAL", "AUTO_APPROVE", "BACK"])
def test_switches_accept_only_1_or_nothing(copy: Path, switch: str, value: str) -> None:
    done = make(copy, "upgrade", "TO=3.0", f"{switch}={value}")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"{switch} takes 1" in done.stderr
    assert not (copy / "touched").exists()
    assert not (copy / "recorded").exists()


@pytest.mark.parametrize("variable", ["local=1", "Local=1", "LOCLA=1", "model=diabetes", "x.y=1"])
def test_an_unknown_variable_is_refused(copy: Path, variable: str) -> None:
    done = make(copy, "log-run", variable)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"there is no variable {variable.partition('=')[0]}: use one of ENV LOCAL ARGS" in done.stderr
    assert not (copy / "recorded").exists()


def test_variables_of_other_programs_are_accepted(copy: Path) -> None:
    the_calls(copy, "log-run", "AWS_PROFILE=dev")
    the_calls(copy, "log-run", "VERBOSE=1", MAKELEVEL="1")


def test_bootstrap_refuses_to_work_on_aws_when_localaws_is_wanted(copy: Path) -> None:
    done = make(copy, "bootstrap", "LOCAL=1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: bootstrap works only on AWS")
    assert not (copy / "recorded").exists()


VERBS_WITH_ARGS = (
    *("demo", "check", "test", "test-all", "bootstrap", "init", "plan", "destroy", "compatibility", "site", "smoke"),
    *WORDS,
)


def test_args_are_split_into_words_and_not_evaluated(copy: Path) -> None:
    args = (
        "$(touch touched) \"two words\" 'it''s' a\\ b $$HOME `touch touched` ; touch touched * $(shell touch touched)"
    )
    words = (
        *(
            "$(touch",
            "touched)",
            "two words",
            "its",
            "a b",
            "$$HOME",
            "`touch",
            "touched`",
            ";",
            "touch",
            "touched",
            "*",
        ),
        *("$(shell", "touch", "touched)"),
    )
    needed = ["ARCHIVE=/a", "TO=3.0", "VERSION=2.16", "METRIC=accuracy", "DATA=rows.csv"]
    found = the_calls(copy, *VERBS_WITH_ARGS, f"ARGS={args}", *needed)
    assert len(found) == len(VERBS_WITH_ARGS)
    for verb, (arguments, _) in zip(VERBS_WITH_ARGS, found, strict=True):
        at = arguments.index("$(touch")
        assert tuple(arguments[at : at + len(words)]) == words, verb


def test_every_target_that_takes_args_is_tested() -> None:
    recipes = re.findall(r"^([a-z-]+): setup ##.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    taking = {verb for verb, recipe in recipes if "{ARGS}" in recipe or "$(FLAGS)" in recipe}
    assert taking - {"bench"} == set(VERBS_WITH_ARGS)


def test_the_reference_names_every_variable_with_its_commands() -> None:
    settings = re.findall(r"^SETTINGS := (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[0].split()
    lines = (REPOSITORY / "docs/reference/commands.md").read_text().splitlines()
    rows = {name: line for line in lines if line.startswith("| `") for name in re.findall("`([A-Z_]+)`", line)}
    assert set(settings) <= set(rows)
    missing = [
        f"{verb} in the row of {name}"
        for verb, words in WORDS.items()
        for name in words
        if name != "ENV" and f"`{verb}`" not in rows[name]
    ]
    assert missing == []


def test_args_with_an_open_quote_are_refused_in_one_line(copy: Path) -> None:
    done = make(copy, "log-run", "ARGS=--run 'a")
    assert (
        done.stderr.splitlines()[0]
        == "error: ARGS cannot be split into words (No closing quotation): close every quote"
    )
    assert not (copy / "recorded").exists()


def test_commands_do_not_inherit_makes_own_variables(copy: Path) -> None:
    (copy / "scripts/test.sh").write_text("#!/bin/sh\nenv\n")
    environ = make(copy, "test", "ARGS=-x", "MODEL=wine").stdout
    assert "MODEL=wine" in environ
    assert not [line for line in environ.splitlines() if line.startswith(("ARGS=", "MAKEFLAGS=", "MFLAGS="))]


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("upgrade", "error: TO is missing: the MLflow version to move to (make upgrade TO=3.0)"),
        ("retire", "error: VERSION is missing: the MLflow version of the server to delete (make retire VERSION=2.16)"),
        (
            "restore",
            "error: ARCHIVE is missing: the archive to restore (make restore ARCHIVE=s3://BUCKET/backups/SERVER)",
        ),
        ("promote", "error: METRIC is missing: the logged metric that ranks the runs (make promote METRIC=accuracy)"),
        (
            "batch-predict",
            "error: DATA is missing: a file or s3://BUCKET/PREFIX/ with the rows to predict "
            "(make batch-predict DATA=rows.csv)",
        ),
    ],
)
def test_a_missing_variable_is_named(copy: Path, verb: str, line: str) -> None:
    done = make(copy, verb)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, line)
    assert not (copy / "recorded").exists()


def test_local_and_defaults_reach_the_scripts(copy: Path) -> None:
    found, variables = the_call(copy, "deploy", "LOCAL=1")
    assert found[1:] == ["scripts/deploy_model.py", "--env=staging", "--local", "--", "models:/iris@champion"]
    assert (variables["LOCAL"], variables["ENV"]) == ("1", "staging")


def test_clean_keeps_and_names_runs_without_a_server(copy: Path) -> None:
    for name in ("mlruns", "reports", "training/prepared", "training/model"):
        (copy / name).mkdir(parents=True)
    (copy / "mlflow.db").touch()
    done = make(copy, "clean")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["kept mlflow.db", "kept mlruns"]
    left = {path.name for path in (*copy.iterdir(), *(copy / "training").iterdir())}
    assert left >= {"mlflow.db", "mlruns"}
    assert not left & {".venv", "reports", "prepared", "model"}
    (copy / "mlflow.db").unlink()
    (copy / "mlruns").rmdir()
    again = make(copy, "clean")
    assert (again.returncode, again.stdout) == (0, "")
