"""Chromium for the tests of the page: the system's, or installed from Debian where root may."""

import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest

DRIVERS = ("chromedriver", "/usr/lib/chromium/chromedriver")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find(names):
    return next((path for name in names if (path := shutil.which(name))), None)


def install() -> None:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 600}
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    more = ["install", "-y", "--no-install-recommends", "chromium", "chromium-driver"]
    subprocess.run(["apt-get", "update"], env=env, **quiet)
    subprocess.run(["apt-get", *more], env=env, **quiet)


@pytest.fixture(scope="session")
def chromium():
    """Return ``browser`` and ``driver``: paths. Fails, with the remedy, where there is none."""
    if not (find(BROWSERS) and find(DRIVERS)) and os.geteuid() == 0 and shutil.which("apt-get"):
        install()
    browser, driver = find(BROWSERS), find(DRIVERS)
    if not (browser and driver):
        pytest.fail(
            "the tests of the page need Chromium: apt-get install chromium chromium-driver, or "
            "leave them out by -m 'not browser'"
        )
    return SimpleNamespace(browser=browser, driver=driver)
