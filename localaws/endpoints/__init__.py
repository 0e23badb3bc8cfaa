"""SageMaker endpoints that really serve: each production variant is a process with the serving image's entry point."""
