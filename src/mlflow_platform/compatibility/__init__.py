"""Which MLflow client works with which server: the measured matrix, and the program that measures it."""
