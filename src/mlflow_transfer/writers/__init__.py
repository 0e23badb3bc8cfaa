"""Writes to a tracking server: one writer for each kind of object. `mlflow_transfer.destination` puts them together."""
