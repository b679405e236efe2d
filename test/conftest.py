"""What every test process needs: a ROS domain of its own, and a Ctrl-C that is one.

No two test processes ever hear each other.
"""

import os
import signal
import socket

HIGHEST_DOMAIN = 101  # above it, the ports of DDS meet those that Linux hands out by itself


def _claim_domain() -> tuple[int, socket.socket]:
    """Return a domain id that no other test process on this machine holds, and what holds it.

    Binding a name in the abstract socket namespace is atomic, and ends with the process.
    """
    first = os.getpid() % HIGHEST_DOMAIN
    for offset in range(HIGHEST_DOMAIN):
        domain = 1 + (first + offset) % HIGHEST_DOMAIN
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0depthlm_ros/test/domain/{domain}")
        except OSError:
            claim.close()
            continue
        return domain, claim
    raise RuntimeError(f"all {HIGHEST_DOMAIN} ROS domains are taken by other test processes")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs behind it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "ROS_DOMAIN_ID" not in os.environ:
    _domain, _claim = _claim_domain()
    os.environ["ROS_DOMAIN_ID"] = str(_domain)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
