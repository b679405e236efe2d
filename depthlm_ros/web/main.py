"""The executable ``web_node``: a page on localhost that shows what camera and depth node give.

    ros2 run depthlm_ros web_node [--ros-args -p port:=8080 -p host:=127.0.0.1]

Needs the optional extra ``web`` (NiceGUI). On another address than localhost a token is needed,
which is printed once; the connection is not encrypted.
"""

import signal
import socket
import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from depthlm_ros.nodes.common.parameters import READ_ONLY, Parameter, ParameterError, Parameters
from depthlm_ros.nodes.common.run_node import asked_for_help, help_of
from depthlm_ros.web import access

REMEDY = "web_node needs NiceGUI: pip install 'depthlm_ros[web]', or pip install nicegui"
BAD_START = 2


def _fixed(*args, **kwargs) -> Parameter:
    return Parameter(*args, when=READ_ONLY, **kwargs)


PARAMETERS = (
    _fixed("host", "127.0.0.1", "Address to listen on; any but localhost asks for a token.",
           max_length=200),
    _fixed("port", 8080, "Port to listen on; 0: a free one.", 0, 65535),
    _fixed("depth_node", "depthlm", "Name of the depth node, relative to the namespace.",
           max_length=200),
    _fixed("image_transport", "raw", "How images come in: 'compressed' takes <image>/compressed.",
           choices=("raw", "compressed")),
    _fixed("image_is_rectified", "auto", "As the depth node's parameter of that name.",
           choices=("auto", "true", "false")),
    _fixed("photo_model", "embedded", "Model that measures photographs dropped on the page.",
           max_length=4096),
)  # fmt: skip


def main(args=None) -> int:
    """Serve the page until SIGINT or SIGTERM; return the exit code."""
    if asked_for_help(args):
        print(help_of("web_node", __doc__, PARAMETERS))
        return 0
    try:
        from nicegui import ui  # noqa: F401
    except ImportError as error:
        print(f"{REMEDY} ({error})", file=sys.stderr)
        return BAD_START
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("depthlm_web")
    try:
        values = Parameters(node, lambda: "", PARAMETERS, lambda _: "").values
        _serve(node, values)
    except (ParameterError, OSError) as error:
        node.get_logger().fatal(f"cannot start: {error}")
        return BAD_START
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _serve(node, values) -> None:
    """Run ROS on a thread, and the web server on the main thread, which gets the signals."""
    from nicegui import app, ui

    from depthlm_ros.web import page
    from depthlm_ros.web.live import LiveView
    from depthlm_ros.web.photos import PhotoDesk

    port = _bindable_port(values.host, values.port)
    token = access.new_token(values.host)
    target = node.resolve_topic_name(values.depth_node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    compressed = values.image_transport == "compressed"
    live = LiveView(node, target, compressed, values.image_is_rectified)
    spinning = threading.Thread(target=_spin, args=(executor,), name="web_ros", daemon=True)
    spinning.start()
    page.build(live, PhotoDesk(values.photo_model))
    app.add_middleware(access.Gate, token=token)
    more = f"/?token={token}" if token else "/"
    node.get_logger().info(f"open http://{_reachable(values.host)}:{port}{more}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        ui.run(host=values.host, port=port, reload=False, show=False, title="depthlm",
               show_welcome_message=False, reconnect_timeout=10.0)  # fmt: skip
    except KeyboardInterrupt:
        pass
    finally:
        live.client.close()
        executor.shutdown(timeout_sec=0.5)
        spinning.join(1.0)


def _spin(executor) -> None:
    try:
        executor.spin()
    except (ExternalShutdownException, KeyboardInterrupt):
        return


def _reachable(host: str) -> str:
    """Return the address to open: of every interface, the one towards the network."""
    if host == "localhost":
        return "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
                return probe.getsockname()[0]
            except OSError:
                return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _bindable_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0; raises OSError with the remedy where it is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as server:
            return server.getsockname()[1]
    except OSError as error:
        raise OSError(
            f"host {host!r}, port {port}: {error.strerror}; give another `port` (0: a free one), "
            "or a host that this machine has"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
