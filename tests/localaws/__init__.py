"""What localaws promises to its clients."""
