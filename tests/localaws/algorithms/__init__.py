"""The programs of SageMaker's built-in algorithms."""
