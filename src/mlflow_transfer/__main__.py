"""`python -m mlflow_transfer`."""

from mlflow_transfer.cli import main

main()
