"""Finds what no listing shows: damage to the file of a database, and rows whose owner does not exist."""

from __future__ import annotations

from collections.abc import Collection, Iterator

_MOST = 1000
# The table, its column, the owner's table and column, and the kind of owner.
_OWNERS = (
    ("runs", "experiment_id", "experiments", "experiment_id", "experiment"),
    ("experiment_tags", "experiment_id", "experiments", "experiment_id", "experiment"),
    ("params", "run_uuid", "runs", "run_uuid", "run"),
    ("tags", "run_uuid", "runs", "run_uuid", "run"),
    ("metrics", "run_uuid", "runs", "run_uuid", "run"),
    ("latest_metrics", "run_uuid", "runs", "run_uuid", "run"),
    ("input_tags", "input_uuid", "inputs", "input_uuid", "input"),
    ("logged_models", "experiment_id", "experiments", "experiment_id", "experiment"),
    ("logged_model_params", "model_id", "logged_models", "model_id", "logged model"),
    ("logged_model_tags", "model_id", "logged_models", "model_id", "logged model"),
    ("logged_model_metrics", "model_id", "logged_models", "model_id", "logged model"),
    ("logged_model_metrics", "run_id", "runs", "run_uuid", "run"),
    ("trace_info", "experiment_id", "experiments", "experiment_id", "experiment"),
    ("trace_tags", "request_id", "trace_info", "request_id", "trace"),
    ("trace_request_metadata", "request_id", "trace_info", "request_id", "trace"),
    ("registered_model_tags", "name", "registered_models", "name", "registered model"),
    ("registered_model_aliases", "name", "registered_models", "name", "registered model"),
    ("model_versions", "name", "registered_models", "name", "registered model"),
    ("model_version_tags", "name", "registered_models", "name", "registered model"),
)
# Rows of the table `inputs`, which has no foreign keys, that belong to a run: the run's column, and the condition
# (mlflow/store/tracking/sqlalchemy_store.py, `log_inputs` and `log_outputs`).
_LINKS = (
    ("destination_id", "c.source_type = 'DATASET' AND c.destination_type = 'RUN'"),
    ("source_id", "c.source_type IN ('RUN_INPUT', 'RUN_OUTPUT')"),
)
# The tables that MLflow 2.13 has, and the groups of tables of later versions.
_TABLES = (
    *("experiment_tags", "params", "tags", "metrics", "latest_metrics", "inputs", "input_tags", "datasets"),
    *("registered_models", "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags"),
)
_GROUPS = (
    ("logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics"),
    ("trace_info", "trace_tags", "trace_request_metadata"),
)
_NAMES = {"runs": "run_uuid", "logged_models": "model_id", "trace_info": "request_id"}

# Tables of later MLflow versions that hold what users made and no copy contains
# (mlflow/store/tracking/dbmodels/models.py and mlflow/store/model_registry/dbmodels/models.py of MLflow 3.17).
_NOT_TRANSFERRED = {
    "assessments": "assessments of traces",
    "budget_policies": "budgets of the AI gateway",
    "endpoints": "endpoints of the AI gateway",
    "entity_associations": "links of traces, prompts and evaluation data sets to runs and to each other",
    "evaluation_datasets": "evaluation data sets",
    "guardrails": "guardrails",
    "issues": "issues of traces",
    "label_schemas": "label schemas",
    "mcp_servers": "MCP servers",
    "model_definitions": "models of the AI gateway",
    "review_queues": "review queues",
    "scorers": "scorers",
    "secrets": "secrets of the AI gateway",  # pragma: allowlist secret
    "webhooks": "webhooks",
}

# Rows that no query of the source returns.
_UNREAD = (
    (
        "inputs",
        "NOT ((source_type = 'DATASET' AND destination_type = 'RUN') OR source_type IN ('RUN_INPUT', 'RUN_OUTPUT'))",
        "they are links of an unknown kind, which are not transferred",
    ),
    ("logged_models", "model_id = ''", "they have no id"),
    ("trace_info", "request_id = ''", "they have no id"),
)

FILE_SIZE = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"
# Comparing all indexes with their tables takes 4 seconds for each 100 MB, and everything else 0.3 seconds.
_COMPARED = 256_000_000
# The check stops after so many lines, also those that are left out here: rows that a constraint forbids are read like
# others, and they must not hide damage.
_ALL_LINES = 1_000_000_000
_MOST_DAMAGES = 20


def damage_check(size: int) -> str:
    """SQLite's own check of a file: damaged pages hide rows without an error, and in small files damaged indexes too.

    https://sqlite.org/pragma.html#pragma_integrity_check
    """
    check = "integrity_check" if size <= _COMPARED else "quick_check"
    return (
        f"SELECT {check} AS found FROM pragma_{check}({_ALL_LINES}) WHERE {check} != 'ok' "  # noqa: S608 fixed
        f"AND {check} NOT GLOB 'NULL value in *' AND {check} NOT GLOB 'CHECK constraint failed in *' "
        f"LIMIT {_MOST_DAMAGES}"
    )


def missing_tables(tables: Collection[str]) -> list[str]:
    """The tables that a database of MLflow has and this one has not."""
    groups = [group for group in _GROUPS if not set(group).isdisjoint(tables)]
    return [one for one in (*_TABLES, *(table for group in groups for table in group)) if one not in tables]


def damage(found: str) -> str:
    """The reason of a loss, for a line of SQLite's check."""
    return f"SQLite finds it damaged, so that rows may be missing: {' '.join(found.split())}"


def dangling_rows(tables: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Queries for rows whose owner does not exist.

    Returns:
        For each: the statement, the place of a loss (a format string for the statement's columns), and the reason.
        A row whose `number_of_rows` is 0 is not a loss: SQLite has HAVING without GROUP BY only from version 3.39 on
        (https://www.sqlite.org/releaselog/3_39_0.html).
    """
    for table, column, parent, key, what in _OWNERS:
        if table not in tables or parent not in tables:
            continue
        missing = f"FROM {table} c LEFT JOIN {parent} p ON p.{key} = c.{column} WHERE p.{key} IS NULL"
        if (name := _NAMES.get(table)) is not None:
            statement = f"SELECT c.{name} AS id, c.{column} AS owner {missing} ORDER BY c.{name} LIMIT {_MOST}"
            place = f"row {{id}} of the table {table}, of {what} {{owner}}"
        else:
            statement = (
                f"SELECT c.{column} AS owner, COUNT(*) AS number_of_rows {missing} "
                f"GROUP BY c.{column} ORDER BY c.{column} LIMIT {_MOST}"
            )
            place = f"{{number_of_rows}} rows of the table {table}, of {what} {{owner}}"
        yield statement, place, f"there is no such {what} in the database"
    if {"inputs", "datasets"} <= set(tables):
        yield (
            "SELECT i.input_uuid AS id, i.source_id AS owner FROM inputs i LEFT JOIN datasets d "
            "ON d.dataset_uuid = i.source_id WHERE i.source_type = 'DATASET' AND d.dataset_uuid IS NULL "
            "ORDER BY i.input_uuid LIMIT 1000",
            "row {id} of the table inputs, of data set {owner}",
            "there is no such data set in the database",
        )
    if {"inputs", "runs"} <= set(tables):
        for column, condition in _LINKS:
            # One loss for all: `mlflow gc` deletes runs and leaves these rows (`_hard_delete_run` of the same file).
            yield (
                f"SELECT COUNT(*) AS number_of_rows, MIN(c.{column}) AS owner FROM inputs c LEFT JOIN runs p "  # noqa: S608 fixed
                f"ON p.run_uuid = c.{column} WHERE {condition} AND p.run_uuid IS NULL",
                "{number_of_rows} rows of the table inputs, of runs such as {owner}",
                "there are no such runs in the database (`mlflow gc` leaves such rows of runs that it deletes)",
            )


def not_transferred(tables: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Queries for rows that no copy contains. Returns the same as `dangling_rows`."""
    for table, what in _NOT_TRANSFERRED.items():
        if table in tables:
            statement = f"SELECT COUNT(*) AS number_of_rows FROM {table}"  # noqa: S608 fixed names
            yield statement, f"{{number_of_rows}} rows of the table {table}", f"{what} are not transferred"
    for table, condition, reason in _UNREAD:
        if table in tables:
            statement = f"SELECT COUNT(*) AS number_of_rows FROM {table} WHERE {condition}"  # noqa: S608 fixed names
            yield statement, f"{{number_of_rows}} rows of the table {table}", reason


def decoded(content: bytes) -> str:
    """Decode a text of SQLite. Invalid bytes become lone surrogates, which a later check finds."""
    return content.decode("utf-8", "surrogateescape")
