"""Metric depth of a photo: python examples/01_depth_of_a_photo.py PHOTO FOCAL_PX OUT.png."""

import sys

import numpy as np
from PIL import Image

from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.image_io.depth_files import write_png
from depthlm_ros.models import registry
from depthlm_ros.visualization.colormap import colourise

photo, focal_px, out = sys.argv[1], float(sys.argv[2]), sys.argv[3]
rgb = np.array(Image.open(photo).convert("RGB"))
height, width = rgb.shape[:2]
camera = PinholeCamera(focal_px, focal_px, (width - 1) / 2, (height - 1) / 2, width, height)

estimator = DepthEstimator(registry.load("embedded"), min_range_m=0.1, max_range_m=50.0)
depth = estimator.depth(Frame(rgb, camera))  # float32 (H, W) metres; NaN unknown, +Inf beyond
(centre,) = estimator.sample(depth, [(camera.cx, camera.cy)])

write_png(out, colourise(depth.depth_m))
if centre.distance_m == centre.distance_m:  # NaN unless the code is OK
    print(f"image centre: {centre.distance_m:.2f} m ({centre.low_m:.2f} to {centre.high_m:.2f})")
else:
    print(f"image centre: {centre.code.name}: {centre.text}")
