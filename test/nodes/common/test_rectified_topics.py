"""Which topics hold rectified images, by their names."""

import pytest

from depthlm_ros.nodes.common.rectified_topics import is_rectified


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color", True),
        ("/zed/zed_node/rgb/color/rect/image", True),
        ("/zed/zed_node/rgb/color/raw/image", False),
        ("/camera/image_raw", False),
        ("/rect/camera/image_raw", False),
        ("image", False),
    ],
)
def test_the_topics_name_tells_unless_somebody_does(topic, rectified):
    assert is_rectified("auto", topic) == rectified
    assert is_rectified("true", topic) and not is_rectified("false", topic)
