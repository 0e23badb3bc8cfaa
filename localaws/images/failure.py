"""The error of the commands that build, push and run images."""


class ImageError(Exception):
    """A command failed. The message is for the build's log or an endpoint's log."""
