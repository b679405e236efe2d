"""Lens distortion on the plane z = 1: every model that CameraInfo can name, forward and back.

Both directions work on normalised ray coordinates (x, y) = (X / Z, Y / Z), float64 (..., 2), and
return NaN outside the model's domain: the disc of rays in which the mapping is one-to-one. Beyond
it the polynomials fold back, and a fold would put one thing into the picture twice. Knows no
pixels; ``rectify.py`` does.

Equations: OpenCV's camera model with up to 14 coefficients (k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4
tau_x tau_y), and its fisheye model (Kannala and Brandt 2006) with four. REP-138 and
``sensor_msgs/CameraInfo`` name them.
"""

from typing import Protocol

import cv2
import numpy as np

from depthlm_ros.status import Code, StatusError

MIN_STRETCH = 0.01
"""The domain ends where the lens squeezes a ray's neighbourhood below this part of its size."""
MAX_STRETCH = 100.0
"""... or blows it up to more than this many times its size."""
MAX_RAY = 100.0
"""Rays steeper than this (89.4 degrees off the axis) have no place on a pinhole's image plane."""

_BROWN = ("plumb_bob", "radtan")
_RATIONAL = ("rational_polynomial",)
_FISHEYE = ("equidistant", "fisheye", "kannala_brandt")
_NONE = ("", "none", "pinhole")
_LENGTHS = {
    "plumb_bob": (0, 4, 5, 8, 12, 14),  # image_geometry hands all of them to OpenCV
    "rational_polynomial": (0, 4, 5, 8, 12, 14),
    "equidistant": (4,),
}


class Distortion(Protocol):
    """Ray to distorted ray, and back."""

    max_ray: float
    """Radius of the domain on the plane z = 1."""

    def distort(self, xy) -> np.ndarray:
        """Map ideal rays (..., 2) to where the lens shows them; NaN outside the domain."""

    def undistort(self, xy) -> np.ndarray:
        """Map what the lens shows (..., 2) to ideal rays, the inverse; NaN where there is none."""

    def tables(self, shown: np.ndarray, ideal: np.ndarray, size: tuple) -> tuple:
        """Return OpenCV's remap tables (u, v), float32 (height, width), of an image of ``size``.

        ``shown``, ``ideal``: camera matrices (3, 3) of the distorted and of the ideal image.
        OpenCV computes them ten times as fast as ``distort``, but knows no domain: values beyond
        ``max_ray`` mean nothing.
        """


class NoDistortion:
    """The ideal lens."""

    max_ray = float("inf")

    def distort(self, xy) -> np.ndarray:
        """Return the rays (..., 2) unchanged."""
        return np.array(xy, dtype=np.float64)

    undistort = distort

    def tables(self, shown: np.ndarray, ideal: np.ndarray, size: tuple) -> tuple:
        """Return remap tables: see ``Distortion``."""
        return cv2.initUndistortRectifyMap(shown, None, None, ideal, size, cv2.CV_32FC1)


def distortion_of(name: str, coefficients) -> Distortion:
    """Return the lens of a CameraInfo's ``distortion_model`` and ``d``.

    Coefficients that are all zero (or none) mean the ideal lens, except for the fisheye names:
    there four zeros are the ideal EQUIDISTANT lens, and none are refused. Zeros after a model's
    own coefficients are padding. Raises StatusError(BAD_CAMERA_INFO) for an unknown name, a wrong
    number of coefficients, or one that is not finite.
    """
    d = np.asarray(coefficients, dtype=np.float64).reshape(-1)
    key, shown = name.strip().lower(), ascii(name[:40])
    family = next((f[0] for f in (_BROWN, _RATIONAL, _FISHEYE, _NONE) if key in f), None)
    if family is None:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"distortion_model {shown}: must be plumb_bob, rational_polynomial or "
            "equidistant (fisheye); rectify the image first and set image_is_rectified",
        )
    if d.size > 14:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{d.size} distortion coefficients: no model has more than 14"
        )
    if not np.isfinite(d).all():
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"d = {d.tolist()}: must be finite; calibrate the camera"
        )
    if family == _NONE[0] and d.any():
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"distortion_model {shown} with d = {d.tolist()}: coefficients need the name "
            "of their model: plumb_bob, rational_polynomial or equidistant",
        )
    if family != _FISHEYE[0] and not d.any():
        return NoDistortion()
    lengths = _LENGTHS[family]
    if d.size not in lengths and (d.size < max(lengths) or d[max(lengths) :].any()):
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"{d.size} coefficients for distortion_model {shown}: must be one of "
            f"{lengths}; calibrate the camera or correct the model's name",
        )
    return (
        FisheyeDistortion(d[:4]) if family == _FISHEYE[0] else BrownDistortion(d[: max(lengths)])
    )


class SkewedDistortion:
    """Another lens before a sensor whose rows are sheared: x grows by ``shear`` * y.

    ``cameracalibrator`` leaves such a K for fisheye lenses (cv2.fisheye's alpha): the shear is
    K[0, 1] / K[0, 0], and neither OpenCV's tables nor image_geometry apply it.
    """

    def __init__(self, inner: Distortion, shear: float):
        self._inner, self._shear = inner, float(shear)
        self.max_ray = inner.max_ray

    def distort(self, xy) -> np.ndarray:
        """Map ideal rays (..., 2) to where the lens shows them; NaN outside the domain."""
        shown = np.array(self._inner.distort(xy))
        shown[..., 0] += self._shear * shown[..., 1]
        return shown

    def undistort(self, xy) -> np.ndarray:
        """Map what the lens shows (..., 2) to ideal rays; NaN where there is none."""
        shown = np.array(xy, dtype=np.float64)
        shown[..., 0] -= self._shear * shown[..., 1]
        return self._inner.undistort(shown)

    def tables(self, shown: np.ndarray, ideal: np.ndarray, size: tuple) -> tuple:
        """Return remap tables: see ``Distortion``."""
        u, v = self._inner.tables(shown, ideal, size)
        u += np.float32(self._shear * shown[0, 0] / shown[1, 1]) * (v - np.float32(shown[1, 2]))
        return u, v


class BrownDistortion:
    """Radial (also rational), tangential, thin-prism and tilted-sensor distortion."""

    def __init__(self, coefficients):
        """Take up to 14 finite coefficients in OpenCV's order; missing ones are zero."""
        d = np.zeros(14)
        d[: len(coefficients)] = coefficients
        self._d = d
        # OpenCV's order: k1 k2 p1 p2 k3 | k4 k5 k6 | s1 s2 s3 s4 | tau_x tau_y. ``_k`` is k1..k6.
        self._k, (self._p1, self._p2), self._s = d[[0, 1, 4, 5, 6, 7]], d[2:4], d[8:12]
        self._tilt = _tilt_matrix(*d[12:14])
        self._untilt = np.linalg.inv(self._tilt)
        self._radii, self._shown = self._domain()
        self.max_ray = float(self._radii[-1])

    def distort(self, xy) -> np.ndarray:
        """Map ideal rays (..., 2) to where the lens shows them; NaN outside the domain."""
        xy = np.asarray(xy, dtype=np.float64)
        inside = np.hypot(xy[..., 0], xy[..., 1]) <= self.max_ray * (1 + 1e-9)
        shown = _homography(self._tilt, np.stack(self._bend(xy[..., 0], xy[..., 1])[:2], axis=-1))
        return np.where(inside[..., None], shown, np.nan)

    def undistort(self, xy) -> np.ndarray:
        """Map what the lens shows (..., 2) to ideal rays; NaN where there is none."""
        # The tilt has a closed inverse. For the rest Newton starts on the ray of the same
        # direction whose mean shown radius fits: right for a radial lens, near for the others.
        target = _homography(self._untilt, np.asarray(xy, dtype=np.float64))
        tx, ty = target[..., 0], target[..., 1]
        shown = np.hypot(tx, ty)
        ratio = np.interp(shown, self._shown, self._radii) / np.where(shown > 0, shown, 1.0)
        x, y, error = self._solve(tx, ty, tx * ratio, ty * ratio)
        good = (error < 1e-10) & (np.hypot(x, y) <= self.max_ray * (1 + 1e-9))
        return np.where(good[..., None], np.stack([x, y], axis=-1), np.nan)

    def _solve(self, tx, ty, x, y):
        """Find rays (x, y) that are shown at (tx, ty), and how far off they are shown.

        Newton's method, kept inside the domain; a step that does not bring its point nearer is
        taken back and halved.
        """
        error, stride = np.full(np.shape(x), np.inf), np.ones(np.shape(x))
        best_x, best_y, step_x, step_y = x, y, np.zeros_like(x), np.zeros_like(y)
        with np.errstate(all="ignore"):
            for _ in range(60):
                bx, by, xx, xy, yx, yy = self._bend(x, y)
                ex, ey = bx - tx, by - ty
                now = np.hypot(ex, ey)
                # Each point goes its own way, all arrays of the shape of ``tx``: one that has come
                # nearer takes its new Newton step J^-1 e in full, another half of its last one.
                better, det = now < error, xx * yy - xy * yx
                best_x, best_y = np.where(better, x, best_x), np.where(better, y, best_y)
                step_x = np.where(better, (yy * ex - xy * ey) / det, step_x)
                step_y = np.where(better, (xx * ey - yx * ex) / det, step_y)
                stride = np.where(better, 1.0, stride / 2)
                error = np.where(better, now, error)
                if not ((error > 1e-14) & (stride > 1e-6)).any():
                    break
                x, y = best_x - stride * step_x, best_y - stride * step_y
                # Outside the domain the mapping may fold and have other solutions.
                inside = np.minimum(1.0, self.max_ray / np.hypot(x, y))
                x, y = np.where(inside < 1, x * inside, x), np.where(inside < 1, y * inside, y)
        return best_x, best_y, error

    def tables(self, shown: np.ndarray, ideal: np.ndarray, size: tuple) -> tuple:
        """Return remap tables: see ``Distortion``."""
        return cv2.initUndistortRectifyMap(shown, self._d, None, ideal, size, cv2.CV_32FC1)

    def _bend(self, x, y):
        """Return the untilted image (bx, by) of rays and dbx/dx, dbx/dy, dby/dx, dby/dy."""
        k1, k2, k3, k4, k5, k6 = self._k
        s1, s2, s3, s4 = self._s
        p1, p2 = self._p1, self._p2
        with np.errstate(all="ignore"):
            # q = r^2; radial factor f(q), a quotient; tangential p1 p2; thin prism s1..s4.
            q = x * x + y * y
            top, low = 1 + q * (k1 + q * (k2 + q * k3)), 1 + q * (k4 + q * (k5 + q * k6))
            f = top / low
            df = (
                k1 + q * (2 * k2 + q * 3 * k3) - f * (k4 + q * (2 * k5 + q * 3 * k6))
            ) / low  # d f / d q
            bx = x * f + 2 * p1 * x * y + p2 * (q + 2 * x * x) + q * (s1 + q * s2)
            by = y * f + p1 * (q + 2 * y * y) + 2 * p2 * x * y + q * (s3 + q * s4)
            prism_x, prism_y = s1 + 2 * q * s2, s3 + 2 * q * s4
            # The Jacobian, by dq/dx = 2 x and dq/dy = 2 y.
            xx = f + 2 * x * x * df + 2 * p1 * y + 6 * p2 * x + 2 * x * prism_x
            xy = 2 * x * y * df + 2 * p1 * x + 2 * p2 * y + 2 * y * prism_x
            yx = 2 * x * y * df + 2 * p1 * x + 2 * p2 * y + 2 * x * prism_y
            yy = f + 2 * y * y * df + 6 * p1 * y + 2 * p2 * x + 2 * y * prism_y
        return bx, by, xx, xy, yx, yy

    def _pole_radii(self, last: float) -> np.ndarray:
        """Return the radii up to ``last`` at or beside roots of the radial factor's divisor."""
        # Beside: a complex root in q = r^2 is a hump as wide as its imaginary part.
        inverse = np.roots([1.0, *self._k[3:]])  # of 1 / q: the leading coefficient is never 0
        q = 1 / inverse[np.abs(inverse) > 0.1 / last**2]
        q = np.concatenate([q.real, q.real - q.imag, q.real + q.imag])
        return np.sqrt(q[(q > 0) & (q <= last**2)])

    def _domain(self):
        """Sample the disc in which the mapping is one-to-one: radii, and where each is shown.

        A differentiable map whose Jacobian has a positive definite symmetric part all over a
        convex set is one-to-one on it; the disc ends where an eigenvalue leaves the range of
        MIN_STRETCH to MAX_STRETCH in any direction.
        """
        # 1000 radii (rows), even in the angle off the axis up to 84 degrees, and those of the
        # quotient's poles, which may be narrower than that; by 24 directions.
        even = np.tan(np.linspace(0.0, np.arctan(10.0), 1000))
        radii = np.union1d(even, self._pole_radii(even[-1]))
        angle = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
        x, y = radii[:, None] * np.cos(angle), radii[:, None] * np.sin(angle)
        bx, by, xx, xy, yx, yy = self._bend(x, y)
        with np.errstate(all="ignore"):
            # Eigenvalues of the Jacobian's symmetric part: mean - half and mean + half.
            mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, (xy + yx) / 2)
            ahead = self._tilt[2, 0] * bx + self._tilt[2, 1] * by + self._tilt[2, 2]
            sane = (mean - half > MIN_STRETCH) & (mean + half < MAX_STRETCH)
            good = (sane & (ahead > MIN_STRETCH)).all(axis=1)
        # The first radius that fails in any direction ends the disc: beyond it nothing counts.
        count = len(radii) if good.all() else int(np.argmin(good))
        if count < 2:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"d = {self._k.tolist()} ...: this lens folds at its centre; calibrate it",
            )
        shown = np.hypot(bx[:count], by[:count]).mean(axis=1)
        return radii[:count], np.maximum.accumulate(shown)


class FisheyeDistortion:
    """Shown radius = t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8), t the angle off the axis."""

    def __init__(self, coefficients):
        """Take the four finite coefficients."""
        self._k = np.asarray(coefficients, dtype=np.float64)
        self._angles = np.linspace(0.0, np.arctan(MAX_RAY), 2000)
        shown, slope = self._bend(self._angles)
        good = (slope > MIN_STRETCH) & (slope < MAX_STRETCH)
        count = len(good) if good.all() else int(np.argmin(good))
        if count < 2:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"d = {self._k.tolist()}: this lens folds at its centre; calibrate it",
            )
        self._angles, self._shown = self._angles[:count], shown[:count]
        self.max_ray = float(np.tan(self._angles[-1]))

    def tables(self, shown: np.ndarray, ideal: np.ndarray, size: tuple) -> tuple:
        """Return remap tables: see ``Distortion``."""
        return cv2.fisheye.initUndistortRectifyMap(
            shown, self._k, np.eye(3), ideal, size, cv2.CV_32FC1
        )

    def _bend(self, t):
        """Return the shown radius of angles and its derivative."""
        k1, k2, k3, k4 = self._k
        q = t * t
        with np.errstate(all="ignore"):
            shown = t * (1 + q * (k1 + q * (k2 + q * (k3 + q * k4))))
            return shown, 1 + q * (3 * k1 + q * (5 * k2 + q * (7 * k3 + q * 9 * k4)))

    def distort(self, xy) -> np.ndarray:
        """Map ideal rays (..., 2) to where the lens shows them; NaN outside the domain."""
        xy = np.asarray(xy, dtype=np.float64)
        r = np.hypot(xy[..., 0], xy[..., 1])
        shown, _ = self._bend(np.arctan(r))
        factor = np.where(r > 1e-9, shown / np.where(r > 1e-9, r, 1.0), 1.0)
        return xy * np.where(r <= self.max_ray * (1 + 1e-9), factor, np.nan)[..., None]

    def undistort(self, xy) -> np.ndarray:
        """Map what the lens shows (..., 2) to ideal rays; NaN where there is none."""
        xy = np.asarray(xy, dtype=np.float64)
        shown = np.hypot(xy[..., 0], xy[..., 1])
        t = np.interp(shown, self._shown, self._angles)
        # Newton from the table, within it: the slope is positive all over.
        for _ in range(10):
            value, slope = self._bend(t)
            t = np.clip(t - (value - shown) / slope, 0.0, self._angles[-1])
        good = np.abs(self._bend(t)[0] - shown) < 1e-10
        factor = np.where(shown > 1e-9, np.tan(t) / np.where(shown > 1e-9, shown, 1.0), 1.0)
        return xy * np.where(good, factor, np.nan)[..., None]


def _tilt_matrix(tau_x: float, tau_y: float) -> np.ndarray:
    """Return OpenCV's homography of a sensor tilted by two angles in radians."""
    cx, sx, cy, sy = np.cos(tau_x), np.sin(tau_x), np.cos(tau_y), np.sin(tau_y)
    r = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array(
        [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
    )
    return np.array([[r[2, 2], 0, -r[0, 2]], [0, r[2, 2], -r[1, 2]], [0, 0, 1]]) @ r


def _homography(m: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Apply a (3, 3) homography to points (..., 2); NaN behind it."""
    if np.array_equal(m, np.eye(3)):
        return xy
    with np.errstate(invalid="ignore"):
        # (..., 3): x and y times z; points with z <= 0 lie behind the tilted sensor.
        p = xy @ m[:, :2].T + m[:, 2]
        return p[..., :2] / np.where(p[..., 2:] > 1e-9, p[..., 2:], np.nan)
