"""Jobs on localaws."""
