"""What the scripts share. Nothing here parses arguments or prints: progress is a callback, failures are exceptions."""
