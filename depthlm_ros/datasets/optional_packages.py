"""Optional packages of curation and training, imported when they are needed."""

from importlib import import_module

from depthlm_ros.status import Code, StatusError


def require(package: str, purpose: str, extra: str = "train"):
    """Import an optional package; StatusError(UNSUPPORTED) says what to install."""
    try:
        return import_module(package)
    except ImportError as error:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{purpose} needs the package {package} ({error}): pip install 'depthlm_ros[{extra}]' "
            "or the versions of requirements-train.txt",
        ) from error
