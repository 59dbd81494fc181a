"""Stand-ins for what works on the machine of the tests."""

NO_PERMISSION = PermissionError(13, "Permission denied")
NO_SPACE = OSError(28, "No space left on device")


def raising(error):
    """Make a function that raises an error, whatever it is called with."""

    def fail(*_, **__):
        raise error

    return fail
