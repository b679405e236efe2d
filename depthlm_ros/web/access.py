"""Who may use the page: this machine, or whoever holds the token; an ASGI middleware.

A page on localhost is open to every web site that the person's browser visits, by a name that
resolves to 127.0.0.1 (DNS rebinding) or by a socket: so the Host and the Origin must be ours.
On any other address every request needs the token, once in the address, then as a cookie.
"""

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

COOKIE = "depthlm_token"
_REFUSED = b"depthlm: open the address with the token that web_node printed"


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def new_token(host: str) -> str:
    """Return the token that an address needs; "" on localhost."""
    return "" if is_loopback(host) else secrets.token_urlsafe(18)


class Gate:
    """Lets through what is allowed; ``token`` "": only by the names of this machine."""

    def __init__(self, app, token: str):
        self._app, self._token = app, token

    async def __call__(self, scope, receive, send):
        """Pass on, or refuse with 403; ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if not self._allowed(scope, headers):
            await _refuse(scope, receive, send)
            return
        if self._token and scope["type"] == "http":
            send = self._with_cookie(send)
        await self._app(scope, receive, send)

    def _allowed(self, scope, headers: dict) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if origin and urlsplit(origin).netloc != host:
            return False
        if not self._token:
            return is_loopback(urlsplit(f"//{host}").hostname or "")
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        known = cookie.value if cookie is not None else ""
        return any(hmac.compare_digest(t.encode(), self._token.encode()) for t in (given, known))

    def _with_cookie(self, send):
        cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"

        async def sending(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        return sending


async def _refuse(scope, receive, send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    head = [(b"content-type", b"text/plain"), (b"content-length", str(len(_REFUSED)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": head})
    await send({"type": "http.response.body", "body": _REFUSED})
