"""localaws's state on disk: `down` saves it, `up` loads it, `reset` deletes it."""
