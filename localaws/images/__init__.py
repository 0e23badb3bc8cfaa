"""Images on this machine: the `docker` and the `aws` of builds."""
