"""Promotes the best model of an experiment: comparison with the champion, alias, and SageMaker's model registry."""
