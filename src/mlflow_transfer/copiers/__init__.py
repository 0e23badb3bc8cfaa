"""One copier for each kind of object. `mlflow_transfer.copier` runs them in order."""
