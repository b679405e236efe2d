"""What depthlm_ros calls of tf_transformations, without it (see env_standins/README.md).

Quaternions are (x, y, z, w), as in geometry_msgs; transforms3d, which does the work, has
(w, x, y, z). Angles are radians, ``axes`` the four-letter names of transforms3d.
"""

import numpy as np
import transforms3d


def quaternion_matrix(quaternion):
    """Return the (4, 4) homogeneous rotation of a quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    matrix = np.identity(4)
    matrix[:3, :3] = transforms3d.quaternions.quat2mat((w, x, y, z))
    return matrix


def quaternion_from_matrix(matrix):
    """Return the quaternion (x, y, z, w) of a (3, 3) or homogeneous (4, 4) rotation."""
    w, x, y, z = transforms3d.quaternions.mat2quat(np.asarray(matrix)[:3, :3])
    return np.array([x, y, z, w])


def quaternion_from_euler(ai, aj, ak, axes="sxyz"):
    """Return the quaternion (x, y, z, w) of three angles about ``axes``."""
    w, x, y, z = transforms3d.euler.euler2quat(ai, aj, ak, axes=axes)
    return np.array([x, y, z, w])


def euler_from_quaternion(quaternion, axes="sxyz"):
    """Return the three angles about ``axes`` of a quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return transforms3d.euler.quat2euler((w, x, y, z), axes=axes)
