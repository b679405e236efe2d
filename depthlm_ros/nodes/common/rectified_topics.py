"""Whether a topic's images have no lens distortion left: one rule for all nodes."""


def is_rectified(choice: str, topic: str) -> bool:
    """Return what ``image_is_rectified`` means for an image topic.

    ``choice``: "true", "false", or "auto": whether the last part of the topic's name begins with
    image_rect, as image_proc names it, or the one before is rect, as with zed_wrapper 5.1.
    ``topic``: resolved name.
    """
    if choice != "auto":
        return choice == "true"
    *before, last = topic.split("/")
    return last.startswith("image_rect") or (bool(before) and before[-1] == "rect")
