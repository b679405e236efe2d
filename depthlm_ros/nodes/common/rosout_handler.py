"""What the parts without ROS log (``logging``), in the node's own log and on /rosout."""

import logging


class RosLogHandler(logging.Handler):
    """Hands records over to a ROS logger, at the same severity."""

    def __init__(self, logger):
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; never raises."""
        try:
            text = self.format(record)
            if record.levelno >= logging.ERROR:
                self._logger.error(text)
            elif record.levelno >= logging.WARNING:
                self._logger.warning(text)
            else:
                self._logger.info(text)
        except Exception:  # as every handler: the one who logs must not fail for it
            self.handleError(record)


def attach_to_rosout(logger) -> None:
    """Send the package's records to ``logger``, and to no other node's."""
    ours = logging.getLogger("depthlm_ros")
    ours.handlers = [
        handler for handler in ours.handlers if not isinstance(handler, RosLogHandler)
    ]
    ours.addHandler(RosLogHandler(logger))
    ours.setLevel(logging.INFO)
