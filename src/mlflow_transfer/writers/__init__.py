"""Writes to a tracking server: one writer for each kind of object. `mlflow_transfer.destination` combines them."""
