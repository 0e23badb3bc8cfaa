"""The commands, one file each. Their logic is in `src/mlflow_platform` and `src/mlflow_transfer`."""
