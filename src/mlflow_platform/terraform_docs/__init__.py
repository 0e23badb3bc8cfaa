"""What `make docs` writes: the tables in the modules' READMEs, and the inputs and outputs that pass through callers."""
