"""What the platform and the transfer tool share: errors, retries, the console. It imports neither of them."""
