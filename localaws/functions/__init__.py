"""Runs Lambda functions: each invocation is a process with the function's code, environment, time limit and log."""
