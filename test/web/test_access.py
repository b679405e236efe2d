"""Who may use the page: localhost by its own names, or the token; nobody else's web site."""

import asyncio
import socket

import pytest

from depthlm_ros.web.access import COOKIE, Gate, is_loopback, new_token
from depthlm_ros.web.main import _bindable_port, _reachable


async def behind(scope, receive, send):
    """Answer 200, as the page would."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


def asked(token, kind="http", query="", **headers):
    """Return the messages that a request gets."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    scope = {"type": kind, "headers": raw, "query_string": query.encode()}
    asyncio.run(Gate(behind, token)(scope, receive, send))
    return sent


def is_let_in(*args, **kwargs):
    return asked(*args, **kwargs)[0].get("status") == 200


def test_addresses():
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "192.168.1.5", "robot", ""))
    assert new_token("127.0.0.1") == ""
    assert len(new_token("0.0.0.0")) > 20 and new_token("0.0.0.0") != new_token("0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_localhost_needs_no_token(host):
    assert is_let_in("", host=host) and is_let_in("", host=host, origin=f"http://{host}")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_another_web_site_is_kept_out_of_localhost(kind):
    """By a name that resolves to 127.0.0.1, and by a socket that its page opens."""
    for headers in (
        {"host": "evil.example:8080"},
        {"host": "127.0.0.1:8080", "origin": "http://evil.example"},
        {},
    ):
        (first, *_) = asked("", kind, **headers)
        assert first.get("status") == 403 or first["type"] == "websocket.close"


def test_elsewhere_the_token_is_needed_once_and_then_the_cookie():
    host = "192.168.1.5:8080"
    assert not is_let_in("secret", host=host)
    assert not is_let_in("secret", host=host, query="token=wrong")
    assert not is_let_in("secret", host="127.0.0.1:8080")
    start = asked("secret", host=host, query="token=secret")[0]
    assert start["status"] == 200
    cookie = dict(start["headers"])[b"set-cookie"].decode()
    assert cookie.startswith(f"{COOKIE}=secret") and "HttpOnly" in cookie
    assert is_let_in("secret", host=host, cookie=f"a=b; {COOKIE}=secret")
    assert not is_let_in("secret", host=host, cookie=f"{COOKIE}=secret2")
    assert asked("secret", "websocket", host=host)[0]["type"] == "websocket.close"


def test_a_taken_port_is_refused_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(OSError, match=f"port {taken}: .*give another `port`"):
            _bindable_port("127.0.0.1", taken)
    assert _bindable_port("127.0.0.1", taken) == taken
    assert _bindable_port("127.0.0.1", 0) > 0


def test_the_address_that_is_told_can_be_opened():
    assert _reachable("127.0.0.1") == _reachable("localhost") == "127.0.0.1"
    assert _reachable("::1") == "[::1]" and _reachable("robot.local") == "robot.local"
    for host in ("0.0.0.0", "::"):  # no browser opens these
        assert _reachable(host) not in ("0.0.0.0", "::", "")
