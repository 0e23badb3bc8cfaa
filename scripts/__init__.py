"""The jobs that people run, one file each; what they share is in `mlops`."""
