"""Messages of a camera that are broken in every way, drawn by a ``random.Random``."""

from rclpy.serialization import serialize_message

NUMBERS = (0, 1, 7, 63, 65, 2**16, 2**31, 2**32 - 1)
REALS = (0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e300, 1e-300, 50.0)
TEXTS = (
    "",
    "rgb8",
    "bgra8",
    "bayer_rggb8",
    "yuv422_yuy2",
    "nv12",
    "mono16",
    "8UC1",
    "64FC4",
    "rgb8; jpeg compressed",
    "\N{PILE OF POO}" * 50,
    "a" * 5000,
)
LENSES = ("", "plumb_bob", "rational_polynomial", "equidistant", "thin_prism", "x" * 100)


def spoil(message, draw):
    """Give an Image or a CameraInfo one or two values that make no sense."""
    for _ in range(draw.choice([1, 2])):
        name = draw.choice(list(message.get_fields_and_field_types()))
        if name in ("height", "width", "step", "binning_x", "binning_y"):
            setattr(message, name, draw.choice(NUMBERS))
        elif name == "encoding":
            message.encoding = draw.choice(TEXTS)
        elif name == "distortion_model":
            message.distortion_model = draw.choice(LENSES)
        elif name == "is_bigendian":
            message.is_bigendian = draw.randrange(256)
        elif name == "data":
            message.data = message.data[: draw.randrange(len(message.data))]
        elif name == "d":
            message.d = [draw.choice(REALS) for _ in range(draw.randrange(16))]
        elif name in ("k", "r", "p"):
            values = list(getattr(message, name))
            values[draw.randrange(len(values))] = draw.choice(REALS)
            setattr(message, name, values)
        elif name == "roi":
            message.roi.width, message.roi.height = draw.choice(NUMBERS), draw.choice(NUMBERS)
            message.roi.x_offset = draw.choice(NUMBERS)
        elif name == "header":
            message.header.stamp.sec = draw.choice([-(2**31), -1, 0, 2**31 - 1])
            message.header.stamp.nanosec = draw.choice(NUMBERS)
            message.header.frame_id = draw.choice(TEXTS)


def maybe_broken_bytes(message, draw):
    """Return the message, or now and then its bytes with some changed, cut or added."""
    if draw.random() < 0.6:
        return message
    data = bytearray(serialize_message(message))
    for _ in range(draw.randrange(1, 4)):
        data[draw.randrange(4, min(len(data), 300))] = draw.randrange(256)
    if draw.random() < 0.3:
        data = data[: draw.randrange(4, len(data))]
    return bytes(data)
