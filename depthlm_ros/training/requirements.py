"""Optional packages of the training, imported when they are needed."""

from importlib import import_module

from depthlm_ros.status import Code, StatusError


def require(package: str, purpose: str):
    """Import an optional package; StatusError(UNSUPPORTED) says what to install."""
    try:
        return import_module(package)
    except ImportError as error:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{purpose} needs the package {package} ({error}): pip install 'depthlm_ros[train]', "
            "or the versions of requirements-train.txt",
        ) from error
