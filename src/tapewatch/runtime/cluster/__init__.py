"""The distributed product: its servers and its processes."""
